import { freePort } from '@flotilla/processes';
import { CallPage, notYet, UdpRelay, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { givePageMetadata } from './page-metadata.ts';
import { spread } from './spread.ts';
import { metricsOf, useBrowser, useFaultFleet } from './use-topology.ts';

/** The address that the metadata relay announces: the impaired path begins there. It listens on 127.0.0.1, at the same port. */
const pathHost = '127.0.0.2';
const relay = 'rl_far';
const impaired = { loss: 0.2, delayMs: 125 } as const;
const unimpaired = { loss: 0, delayMs: 0 } as const;

declare global {
  var delivered: { topic: string; number: number; ms: number }[];
  var published: number;
}

describe('metadata over a path with 20 % loss and a round trip of 250 ms', () => {
  let fleet: TestFleet;
  let browser: Browser;
  let path: UdpRelay;

  useFaultFleet((it) => (fleet = it));
  useBrowser((it) => (browser = it));
  beforeAll(async () => {
    const port = await freePort();
    // The only relay of the fleet is at the end of the path.
    await Promise.all(['rl_1', 'rl_2'].map((id) => fleet.processes.get(id)!.stop()));
    await fleet.startRelay(relay, {
      FLOTILLA_RELAY_PORT: String(port),
      FLOTILLA_RELAY_ANNOUNCED_ADDRESS: pathHost,
    });
    path = await UdpRelay.start({ host: pathHost, port, targetPort: port });
  });
  afterAll(() => path?.close());

  const impair = ({ loss, delayMs }: { loss: number; delayMs: number }): void => {
    // A round trip fails when either direction loses its packet: this is the loss of one direction.
    const oneWay = 1 - Math.sqrt(1 - loss);
    for (const way of [path.up, path.down]) way.impair({ loss: oneWay, delayMs });
  };

  test('adaptive topics switch to the unreliable channel until it recovers, and every reliable message arrives in order', async () => {
    const join = (name: string) => CallPage.join(browser, fleet.pageUrl, { room: 'far', name });
    const [ada, bob] = [await join('ada'), await join('bob')];
    for (const { page } of [ada, bob]) await givePageMetadata(page);
    await bob.page.evaluate(async () => {
      globalThis.delivered = [];
      for (const topic of ['adaptive', 'reliable'])
        await metadata().subscribe(topic, (message) =>
          globalThis.delivered.push({
            topic,
            number: (message.json() as { number: number }).number,
            ms: metadata().now() - message.captureTime!,
          }),
        );
      await metadata().ready();
    });
    await ada.page.evaluate(async () => {
      await metadata().ready();
      globalThis.published = 0;
      setInterval(() => {
        const number = ++globalThis.published;
        const captureTime = metadata().now();
        void metadata().publish('adaptive', { number }, { captureTime });
        if (number % 10 === 0)
          void metadata().publish('reliable', { number: number / 10 }, { captureTime, mode: 'reliable' });
      }, 20);
    });
    /** The delays of the messages on a topic since the last call, ms. */
    const delays = async (topic: string): Promise<number[]> => {
      return bob.page.evaluate((expected) => {
        const of = globalThis.delivered.filter((each) => each.topic === expected).map(({ ms }) => ms);
        globalThis.delivered = globalThis.delivered.filter((each) => each.topic !== expected);
        return of;
      }, topic);
    };
    const channel = () => ada.page.evaluate(() => metadata().adaptiveChannel);
    const switches = async (to: string): Promise<number> => {
      const lines = (await metricsOf(fleet, relay)).match(
        new RegExp(`^metadata_mode_switches_total\\{[^}]*to="${to}"[^}]*\\} (\\d+)`, 'm'),
      );
      return Number(lines?.[1] ?? 0);
    };
    const reliable: number[] = [];
    const keepReliable = async (): Promise<void> => {
      reliable.push(
        ...(await bob.page.evaluate(() => {
          const numbers = globalThis.delivered.filter(({ topic }) => topic === 'reliable').map(({ number }) => number);
          globalThis.delivered = globalThis.delivered.filter(({ topic }) => topic !== 'reliable');
          return numbers;
        })),
      );
    };

    await waitFor('a message', async () => (await delays('adaptive')).length > 0 || notYet('none came'));
    await bob.page.waitForTimeout(1000);
    const before = await delays('adaptive');
    expect(await channel()).toBe('limited');

    impair(impaired);
    const impairedAt = performance.now();
    const limited: { readonly at: number; readonly ms: number }[] = [];
    await waitFor(
      'publisher and relay use the unreliable channel',
      async () => {
        limited.push(...(await delays('adaptive')).map((ms) => ({ at: performance.now(), ms })));
        await keepReliable();
        const now = { publisher: await channel(), subscriber: await switches('unreliable') };
        if (now.publisher !== 'unreliable' || now.subscriber === 0)
          notYet(`${JSON.stringify(now)}, ${JSON.stringify(await ada.page.evaluate(() => metadata().path))}`);
      },
      { timeoutMs: 60_000, everyMs: 250 },
    );
    const switchedMs = Math.round(performance.now() - impairedAt);
    // The first seconds include measurements of the unimpaired path.
    const lastLimited = limited.filter((each) => performance.now() - each.at < 5000).map(({ ms }) => ms);
    // Messages that still wait on the previous channel arrive first.
    await bob.page.waitForTimeout(1000);
    await delays('adaptive');
    await bob.page.waitForTimeout(2000);
    const unreliable = await delays('adaptive');
    await keepReliable();

    impair(unimpaired);
    await waitFor(
      'the publisher uses the limited channel again',
      async () => (await channel()) === 'limited' || notYet('it is unreliable'),
      {
        timeoutMs: 60_000,
        everyMs: 250,
      },
    );
    const lastReliable = await ada.page.evaluate(() => Math.floor(globalThis.published / 10));
    await waitFor(
      'all reliable messages have arrived',
      async () => {
        await keepReliable();
        if ((reliable.at(-1) ?? 0) < lastReliable) notYet(`${reliable.at(-1)} of ${lastReliable}`);
      },
      { timeoutMs: 30_000 },
    );
    expect(reliable).toEqual(reliable.map((_, index) => reliable[0]! + index));
    expect(reliable[0]).toBeLessThanOrEqual(2);

    console.log(
      [
        `delay on the unimpaired path: ${spread(before)} ms`,
        `on the impaired one, with up to three retransmissions: ${spread(lastLimited)} ms`,
        `without, from ${switchedMs} ms on: ${spread(unreliable)} ms`,
        `${reliable.length} reliable messages arrived, all in order`,
      ].join('\n'),
    );
    for (const call of [ada, bob]) await call.close();
  });
});
