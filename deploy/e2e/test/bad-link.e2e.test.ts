import type { Fleet } from '@flotilla/local-fleet';
import { freePort } from '@flotilla/processes';
import { CallPage, launchBrowser, notYet, UdpRelay, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { metricsOf, ownFleet } from './own-fleet.ts';
import { givePageMetadata } from './page-metadata.ts';
import { spread } from './spread.ts';

/** The relay tells clients this address, where the impaired path begins; it listens on 127.0.0.1, at the same port. */
const pathHost = '127.0.0.2';
const bad = { loss: 0.2, delayMs: 125 } as const;
const good = { loss: 0, delayMs: 0 } as const;

declare global {
  var heard: { topic: string; number: number; ms: number }[];
  var spoken: number;
}

describe('a path that loses one packet in five and takes 250 ms there and back', () => {
  let fleet: Fleet;
  let browser: Browser;
  let path: UdpRelay;

  beforeAll(async () => {
    const port = await freePort();
    [fleet, browser] = await Promise.all([
      ownFleet('bad', {
        sfuNodes: 1,
        gateways: 1,
        env: {
          FLOTILLA_RELAY_PORT: String(port),
          FLOTILLA_RELAY_ANNOUNCED_ADDRESS: pathHost,
        },
      }),
      launchBrowser(),
    ]);
    path = await UdpRelay.start({ host: pathHost, port, targetPort: port });
  });
  afterAll(async () => {
    await browser?.close();
    await fleet?.stop();
    await path?.close();
  });

  const impair = ({ loss, delayMs }: { loss: number; delayMs: number }): void => {
    // Lost on the way there or back: the share of round trips that fail is that of the path.
    const oneWay = 1 - Math.sqrt(1 - loss);
    for (const way of [path.up, path.down]) way.impair({ loss: oneWay, delayMs });
  };

  test('adaptive topics change over to what is sent once and come sooner for it; what is promised to come comes', async () => {
    const join = (name: string) => CallPage.join(browser, fleet.pageUrl, { room: 'far', name });
    const [ada, bob] = [await join('ada'), await join('bob')];
    for (const { page } of [ada, bob]) await givePageMetadata(page);
    await bob.page.evaluate(async () => {
      globalThis.heard = [];
      for (const topic of ['adaptive', 'promised'])
        await metadata().subscribe(topic, (message) =>
          globalThis.heard.push({
            topic,
            number: (message.json() as { number: number }).number,
            ms: metadata().now() - message.captureTime!,
          }),
        );
      await metadata().ready();
    });
    await ada.page.evaluate(async () => {
      await metadata().ready();
      globalThis.spoken = 0;
      setInterval(() => {
        const number = ++globalThis.spoken;
        const captureTime = metadata().now();
        void metadata().publish('adaptive', { number }, { captureTime });
        if (number % 10 === 0)
          void metadata().publish('promised', { number: number / 10 }, { captureTime, mode: 'reliable' });
      }, 20);
    });
    /** The delays of what bob got on a topic since he was last asked. */
    const delays = async (topic: string): Promise<number[]> => {
      return bob.page.evaluate((wanted) => {
        const of = globalThis.heard.filter((each) => each.topic === wanted).map(({ ms }) => ms);
        globalThis.heard = globalThis.heard.filter((each) => each.topic !== wanted);
        return of;
      }, topic);
    };
    const channel = () => ada.page.evaluate(() => metadata().adaptiveChannel);
    const switches = async (to: string): Promise<number> => {
      const lines = (await metricsOf(fleet, 'rl_1')).match(
        new RegExp(`^metadata_mode_switches_total\\{[^}]*to="${to}"[^}]*\\} (\\d+)`, 'm'),
      );
      return Number(lines?.[1] ?? 0);
    };
    const promised: number[] = [];
    const keepPromised = async (): Promise<void> => {
      promised.push(
        ...(await bob.page.evaluate(() => {
          const numbers = globalThis.heard.filter(({ topic }) => topic === 'promised').map(({ number }) => number);
          globalThis.heard = globalThis.heard.filter(({ topic }) => topic !== 'promised');
          return numbers;
        })),
      );
    };

    await waitFor('messages come', async () => (await delays('adaptive')).length > 0 || notYet('they do not'));
    await bob.page.waitForTimeout(2000);
    const before = await delays('adaptive');
    expect(await channel()).toBe('limited');

    impair(bad);
    const impairedAt = performance.now();
    const limited: { readonly at: number; readonly ms: number }[] = [];
    await waitFor(
      'both ends of the way changed over',
      async () => {
        limited.push(...(await delays('adaptive')).map((ms) => ({ at: performance.now(), ms })));
        await keepPromised();
        const now = { publisher: await channel(), subscriber: await switches('unreliable') };
        if (now.publisher !== 'unreliable' || now.subscriber === 0)
          notYet(`${JSON.stringify(now)}, ${JSON.stringify(await ada.page.evaluate(() => metadata().path))}`);
      },
      { timeoutMs: 60_000, everyMs: 250 },
    );
    const switchedMs = Math.round(performance.now() - impairedAt);
    // The windows of the first seconds are those of the good path.
    const lastLimited = limited.filter((each) => performance.now() - each.at < 5000).map(({ ms }) => ms);
    // What still waits on the former channel comes first.
    await bob.page.waitForTimeout(3000);
    await delays('adaptive');
    await bob.page.waitForTimeout(5000);
    const unreliable = await delays('adaptive');
    await keepPromised();

    impair(good);
    await waitFor(
      'it is sent again when lost once the path is well',
      async () => (await channel()) === 'limited' || notYet('not yet'),
      {
        timeoutMs: 60_000,
        everyMs: 250,
      },
    );
    const lastPromised = await ada.page.evaluate(() => Math.floor(globalThis.spoken / 10));
    await waitFor(
      'all that was promised is there',
      async () => {
        await keepPromised();
        if ((promised.at(-1) ?? 0) < lastPromised) notYet(`${promised.at(-1)} of ${lastPromised}`);
      },
      { timeoutMs: 30_000 },
    );
    expect(promised).toEqual(promised.map((_, index) => promised[0]! + index));
    expect(promised[0]).toBeLessThanOrEqual(2);

    console.log(
      [
        `delay on the good path: ${spread(before)} ms`,
        `on the bad one, sent again up to three times: ${spread(lastLimited)} ms`,
        `sent once, as of ${switchedMs} ms later: ${spread(unreliable)} ms`,
        `${promised.length} promised messages came, all in order`,
      ].join('\n'),
    );
  });
});
