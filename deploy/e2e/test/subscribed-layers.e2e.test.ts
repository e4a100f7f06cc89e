import type { Topology } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { describe, test } from 'vitest';
import { type LayersPage, openPage, publish, resize, sends, show, shows } from './layers-page.ts';
import { useBrowser, useStandalone } from './use-topology.ts';

/** A global of the page. */
declare const inPage: LayersPage;

const small = 'width: 256px; height: 144px';
const large = 'width: 1280px; height: 720px';
const hidden = 'position: fixed; left: -5000px; width: 1280px; height: 720px';

describe('the layers that a publisher sends', () => {
  let topology: Topology;
  let browser: Browser;
  useStandalone((it) => (topology = it));
  useBrowser((it) => (browser = it));

  test('are those that its subscriber on another node shows', async () => {
    const room = await topology.api.newRoom('layers', { spread: true });
    const [ada, bob] = [await openPage(browser, topology), await openPage(browser, topology)];
    await publish(ada, topology, room);
    await sends(ada, false, false, false);
    await show(bob, topology, room, large);
    await shows(bob, 1280);
    await resize(bob, small);
    await sends(ada, true, false, false);
    await shows(bob, 320);
    // Negotiated again, Chromium switches all layers on.
    await ada.evaluate(async () => void (await inPage.rooms[0]!.publish(await inPage.sdk.openMicrophone())));
    await sends(ada, true, false, false);
    await resize(bob, hidden);
    await sends(ada, false, false, false);
    await resize(bob, large);
    await shows(bob, 1280);
    await sends(ada, true, true, true);
    await Promise.all([ada, bob].map((page) => page.context().close()));
  });
});
