import { CallPage, notYet, waitFor } from '@flotilla/testkit';
import type { Browser, Page } from 'playwright-core';
import { afterEach, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { givePageMetadata } from './page-metadata.ts';
import { metricsOf, useBrowser, useFaultFleet } from './use-topology.ts';

interface Received {
  readonly values: unknown[];
  readonly lost: { readonly fromSeqId: number; readonly toSeqId: number }[];
}

let fleet: TestFleet;
let browser: Browser;
const calls: CallPage[] = [];
useFaultFleet((it) => (fleet = it));
useBrowser((it) => (browser = it));
afterEach(async () => {
  await Promise.all(calls.splice(0).map((call) => call.close()));
});

async function join(name: string): Promise<CallPage> {
  const call = await CallPage.join(browser, fleet.pageUrl, { room: 'relays', name });
  calls.push(call);
  await givePageMetadata(call.page);
  await call.page.evaluate('globalThis.delivered = { values: [], lost: [] };');
  return call;
}

const subscribe = (page: Page, topic: string): Promise<void> =>
  page.evaluate(async (name) => {
    const received = (globalThis as unknown as { delivered: Received }).delivered;
    await metadata().subscribe(name, (message) => received.values.push(message.json()), {
      onLost: (loss: Received['lost'][0]) => received.lost.push(loss),
    });
  }, topic);

/** The relay that the room's clients have links to. */
async function relayInUse(): Promise<string> {
  for (const id of ['rl_1', 'rl_2']) {
    if (fleet.processes.get(id)!.ended) continue;
    const text = await metricsOf(fleet, id);
    if (/^metadata_links\{[^}]*\} [1-9]/m.test(text)) return id;
  }
  return notYet('no relay has links');
}

const numbersIn = (ranges: readonly (readonly number[])[]): number[] =>
  ranges.flatMap(([from, to]) => Array.from({ length: to! - from! + 1 }, (_, at) => from! + at));

test('when a relay is killed its clients resume over another, in order, and get the ids of the messages that were lost', async () => {
  const [ada, bob] = [await join('ada'), await join('bob')];
  await subscribe(bob.page, 'count');
  await ada.page.evaluate(async () => {
    await metadata().publish('title', { is: 'retained' }, { mode: 'reliable', retain: true });
    let count = 0;
    setInterval(
      () =>
        void metadata()
          .publish('count', count++, { mode: 'reliable' })
          .catch(() => undefined),
      20,
    );
  });
  const received = (page: Page): Promise<Received> =>
    page.evaluate(() => (globalThis as unknown as { delivered: Received }).delivered);
  await waitFor('the counter is received', async () => {
    if ((await received(bob.page)).values.length < 20) notYet('not yet');
  });
  const killed = await waitFor('a relay has the links of the room', relayInUse);
  const before = (await received(bob.page)).values.length;
  const killedAt = performance.now();
  fleet.processes.get(killed)!.signal('SIGKILL');
  await waitFor(
    'the counter is received again',
    async () => {
      const { length } = (await received(bob.page)).values;
      if (length < before + 50) notYet(`${length} of ${before + 50}`);
    },
    { timeoutMs: 30_000, everyMs: 50 },
  );
  const backMs = Math.round(performance.now() - killedAt) - 50 * 20;
  expect(await relayInUse()).not.toBe(killed);

  const { values, lost } = await received(bob.page);
  const counts = values as number[];
  const missing = counts.flatMap((count, at) =>
    at > 0 && count !== counts[at - 1]! + 1 ? [[counts[at - 1]! + 1, count - 1]] : [],
  );
  // Sequence ids equal the counter: one publisher, one topic, from 0.
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  expect(numbersIn(lost.map(({ fromSeqId, toSeqId }) => [fromSeqId, toSeqId]))).toEqual(numbersIn(missing));
  console.log(`received again about ${backMs} ms after the relay was killed; lost: ${JSON.stringify(missing)}`);

  // A participant that joins now gets the retained value.
  const cleo = await join('cleo');
  await subscribe(cleo.page, 'title');
  await waitFor('the retained message', async () => {
    if ((await received(cleo.page)).values.length === 0) notYet('not yet');
  });
  expect((await received(cleo.page)).values).toEqual([{ is: 'retained' }]);
});
