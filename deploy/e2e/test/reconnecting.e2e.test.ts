import { CallPage, launchBrowserToKill, TcpProxy, type Topology } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterEach, describe, expect, test } from 'vitest';
import { picture } from './picture.ts';
import { resumeWindowSeconds, useBrowser, useFleet } from './use-topology.ts';

describe('the call page', () => {
  let topology: Topology;
  let browser: Browser;
  const calls: CallPage[] = [];
  useFleet((it) => (topology = it));
  useBrowser((it) => (browser = it));
  afterEach(async () => {
    await Promise.all(calls.splice(0).map((call) => call.close().catch(() => undefined)));
  });

  async function join(in_: Browser, name: string, room: string, signalUrl?: string): Promise<CallPage> {
    const call = await CallPage.join(in_, topology.pageUrl, {
      room,
      name,
      ...(signalUrl !== undefined && { signalUrl }),
    });
    calls.push(call);
    return call;
  }

  test('the tile of a participant whose signaling is cut says "reconnecting" until it has resumed', async () => {
    const proxy = await TcpProxy.to(Number(new URL(topology.signalUrls[0]!).port));
    try {
      const ada = await join(browser, 'ada', 'cut');
      const bob = await join(browser, 'bob', 'cut', `http://127.0.0.1:${proxy.port}`);
      const cleo = await join(browser, 'cleo', 'cut');
      await Promise.all([ada.receivesMediaOf('bob'), cleo.receivesMediaOf('bob')]);
      proxy.cut();
      await Promise.all([ada.showsConnection('bob', 'Reconnecting…'), cleo.showsConnection('bob', 'Reconnecting…')]);
      const tiles = await ada.tiles();
      expect(tiles.find(({ name }) => name === 'bob')).toMatchObject({ label: 'bob, reconnecting' });
      expect(tiles.find(({ name }) => name === 'cleo')).toMatchObject({ connection: '' });
      // A participant that joins meanwhile sees the badge, too.
      const dan = await join(browser, 'dan', 'cut');
      await dan.showsConnection('bob', 'Reconnecting…');
      await picture(ada.page, 'reconnecting');
      proxy.restore();
      await Promise.all([ada, cleo, dan].map((call) => call.showsConnection('bob', '')));
      await Promise.all([ada.receivesMediaOf('bob'), bob.receivesMediaOf('ada')]);
    } finally {
      await proxy.close();
    }
  });

  test('the tile of a participant whose browser was killed says "reconnecting", and disappears with the resume window', async () => {
    const ada = await join(browser, 'ada', 'killed');
    const other = await launchBrowserToKill();
    await join(other.browser, 'bob', 'killed');
    await ada.receivesMediaOf('bob');
    await other.kill();
    await ada.showsConnection('bob', 'Reconnecting…');
    await ada.page.setViewportSize({ width: 360, height: 740 });
    await picture(ada.page, 'reconnecting-phone');
    await ada.hasTilesOf([], (resumeWindowSeconds + 10) * 1000);
  });
});
