import { setTimeout as pause } from 'node:timers/promises';
import { CallPage, notYet, TcpProxy, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterEach, describe, test } from 'vitest';
import { resumeWindowSeconds, useBrowser, useFleet } from './use-topology.ts';

/** Below the resume window, after which the server removes a participant by itself. */
const removedWithinMs = (resumeWindowSeconds - 4) * 1000;

interface Toggled {
  mute(): Promise<void>;
  unmute(): Promise<void>;
}

describe('the SDK on a fleet', () => {
  let topology: Topology;
  let browser: Browser;
  const calls: CallPage[] = [];
  useFleet((it) => (topology = it));
  useBrowser((it) => (browser = it));
  afterEach(async () => {
    await Promise.all(calls.splice(0).map((call) => call.close().catch(() => undefined)));
  });

  async function join(room: string, name: string, signalUrl?: string): Promise<CallPage> {
    const call = await CallPage.join(browser, topology.pageUrl, {
      room,
      name,
      ...(signalUrl !== undefined && { signalUrl }),
    });
    calls.push(call);
    return call;
  }

  async function participantsOf(room: string): Promise<string[]> {
    const { body } = await topology.api.request('GET', `/v1/rooms/${room}/participants`);
    return (body as { participants: { name: string }[] }).participants.map(({ name }) => name).toSorted();
  }

  const onlyRemain = (room: string, names: readonly string[]): Promise<void> =>
    waitFor(
      `only ${names.join(', ') || 'nobody'} is in ${room}`,
      async () => {
        const present = await participantsOf(room);
        if (present.join() !== names.join()) notYet(`the participants are: ${present.join(', ')}`);
      },
      { timeoutMs: removedWithinMs },
    );

  test('a participant that leaves while its connection is cut is removed as soon as the connection is back', async () => {
    const proxy = await TcpProxy.to(Number(new URL(topology.signalUrls[0]!).port));
    try {
      const ada = await join('leave-cut', 'ada');
      const bob = await join('leave-cut', 'bob', `http://127.0.0.1:${proxy.port}`);
      await ada.hasTilesOf(['bob']);
      proxy.cut();
      await bob.reconnecting();
      await bob.press('leave');
      proxy.restore();
      await onlyRemain('leave-cut', ['ada']);
      await ada.hasTilesOf([]);
    } finally {
      await proxy.close();
    }
  });

  test('a page that is closed at any moment of its join leaves no participant', async () => {
    await topology.api.createRoom({ name: 'left-while-joining' });
    for (let round = 0; round < 15; round++) {
      const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
      const page = await context.newPage();
      const socket = page.waitForEvent('websocket');
      await page.goto(`${topology.pageUrl}/?room=left-while-joining&name=guest-${round}`);
      const opened = await socket;
      if (round % 3 === 1) await opened.waitForEvent('framereceived');
      // Different moments of the join, which takes some 100 ms.
      if (round % 3 === 2) await pause(10 * round);
      if (round % 2 === 0) await context.close();
      else await page.goto('about:blank').then(() => context.close());
    }
    await onlyRemain('left-while-joining', []);
  });

  test('quick mutes and unmutes end in the last state for every participant', async () => {
    const [ada, bob] = [await join('toggles', 'ada'), await join('toggles', 'bob')];
    await bob.receivesMediaOf('ada');
    const mutedSeenByBob = (): Promise<boolean[]> =>
      bob.page.evaluate(() =>
        [...globalThis.flotilla.room!.participants.values()]
          .flatMap(({ publications }) => [...publications.values()])
          .map(({ muted }) => muted),
      );
    for (let round = 1; round <= 10; round++) {
      const endsMuted = round % 2 === 0;
      await ada.page.evaluate(async (muted) => {
        const publications = [...globalThis.flotilla.room!.publications.values()] as Toggled[];
        await Promise.all(
          publications.flatMap((publication) => {
            const toggles = [publication.mute(), publication.unmute()];
            return muted ? [...toggles, publication.mute()] : toggles;
          }),
        );
      }, endsMuted);
      await waitFor(`round ${round} ends ${endsMuted ? 'muted' : 'unmuted'}`, async () => {
        const seen = await mutedSeenByBob();
        if (seen.length !== 2 || seen.some((muted) => muted !== endsMuted)) notYet(`bob sees ${seen.join()}`);
      });
    }
    // The state in the room, as a participant that joins later gets it.
    const late = await join('toggles', 'cleo');
    await late.showsMuted('ada');
  });
});
