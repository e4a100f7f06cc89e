import type { Fleet } from '@flotilla/local-fleet';
import { CallPage, notYet, waitFor } from '@flotilla/testkit';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { metricsOf, ownFleet } from './own-fleet.ts';
import { givePageMetadata } from './page-metadata.ts';
import { useBrowser } from './use-topology.ts';

interface Told {
  readonly values: unknown[];
  readonly lost: { readonly fromSeqId: number; readonly toSeqId: number }[];
}

let fleet: Fleet;
let browser: Browser;
useBrowser((it) => (browser = it));
beforeAll(async () => {
  fleet = await ownFleet('relay', { sfuNodes: 1, gateways: 1, relays: 2 });
});
afterAll(() => fleet?.stop());

async function join(name: string): Promise<CallPage> {
  const call = await CallPage.join(browser, fleet.pageUrl, { room: 'relays', name });
  await givePageMetadata(call.page);
  await call.page.evaluate('globalThis.told = { values: [], lost: [] };');
  return call;
}

const subscribe = (page: Page, topic: string): Promise<void> =>
  page.evaluate(async (name) => {
    const heard = (globalThis as unknown as { told: Told }).told;
    await metadata().subscribe(name, (message) => heard.values.push(message.json()), {
      onLost: (loss: Told['lost'][0]) => heard.lost.push(loss),
    });
  }, topic);

/** The relay that carries the room: the one with links. */
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

test('a relay is killed: its clients go on over another by themselves, in order, and hear of what was lost with it', async () => {
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
  const heard = (page: Page): Promise<Told> => page.evaluate(() => (globalThis as unknown as { told: Told }).told);
  await waitFor('the counter is heard', async () => {
    if ((await heard(bob.page)).values.length < 20) notYet('not yet');
  });
  const killed = await waitFor('the relay of the room is known', relayInUse);
  const before = (await heard(bob.page)).values.length;
  const killedAt = performance.now();
  fleet.processes.get(killed)!.signal('SIGKILL');
  await waitFor(
    'the counter is heard again',
    async () => {
      const { length } = (await heard(bob.page)).values;
      if (length < before + 50) notYet(`${length} of ${before + 50}`);
    },
    { timeoutMs: 30_000, everyMs: 50 },
  );
  const backMs = Math.round(performance.now() - killedAt) - 50 * 20;
  expect(await relayInUse()).not.toBe(killed);

  const { values, lost } = await heard(bob.page);
  const counts = values as number[];
  const missing = counts.flatMap((count, at) =>
    at > 0 && count !== counts[at - 1]! + 1 ? [[counts[at - 1]! + 1, count - 1]] : [],
  );
  // Ids of messages are those of the counter: one publisher, one topic, from 0.
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  expect(numbersIn(lost.map(({ fromSeqId, toSeqId }) => [fromSeqId, toSeqId]))).toEqual(numbersIn(missing));
  console.log(`heard again about ${backMs} ms after the relay was killed; lost: ${JSON.stringify(missing)}`);

  // What was retained is there for who comes now.
  const cleo = await join('cleo');
  await subscribe(cleo.page, 'title');
  await waitFor('the retained value comes', async () => {
    if ((await heard(cleo.page)).values.length === 0) notYet('not yet');
  });
  expect((await heard(cleo.page)).values).toEqual([{ is: 'retained' }]);
});
