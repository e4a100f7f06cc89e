import { CallPage, type Topology } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { describe, type TestContext, expect, test } from 'vitest';
import { standalone } from '../src/index.ts';
import { picture } from './picture.ts';
import { useBrowser, useOwnTopology } from './use-topology.ts';

/** Chromium's ICE failure takes about 15 s, on a loaded machine longer. */
const iceFailsWithinMs = 60_000;

// Concurrent: each waits for a timeout of Chromium.
describe.concurrent('the call page without a network path for media', () => {
  let topology: Topology;
  let browser: Browser;
  useOwnTopology(
    // Nothing listens on 127.0.0.9.
    () => standalone({ FLOTILLA_SFU_LISTEN_IPS: '127.0.0.1', FLOTILLA_SFU_ANNOUNCED_ADDRESS: '127.0.0.9' }),
    (it) => (topology = it),
  );
  useBrowser((it) => (browser = it));

  const join = async ({ onTestFinished }: TestContext, room: string, name: string): Promise<CallPage> => {
    const call = await CallPage.join(browser, topology.pageUrl, { room, name, misdirectCandidates: room === 'direct' });
    onTestFinished(() => call.close());
    return call;
  };
  const failed = ({ page }: CallPage): Promise<void> =>
    page.getByTestId('connection').filter({ hasText: 'No media connection' }).waitFor({ timeout: iceFailsWithinMs });
  const notice = ({ page }: CallPage): Promise<string> =>
    page.getByRole('status', { name: 'Notices' }).locator('li').innerText();

  test('shows that the SFU node is unreachable, and the setting to check', async (context) => {
    const ada = await join(context, 'sfu', 'ada');
    await failed(ada);
    expect(await notice(ada)).toMatch(/No network path to SFU node nd_\S+ \(.*udp 127\.0\.0\.9:\d+.*ICE_FAILED/);
    expect(await notice(ada)).toContain('FLOTILLA_SFU_ANNOUNCED_ADDRESS');
    await picture(ada.page, 'ice-failed');
    await ada.page.setViewportSize({ width: 360, height: 740 });
    await picture(ada.page, 'ice-failed-phone');
  });

  test('shows that the other participant of a direct call is unreachable, and that ICE servers help', async (context) => {
    await topology.api.createRoom({ name: 'direct', peerToPeer: true });
    const [ada, bob] = [await join(context, 'direct', 'ada'), await join(context, 'direct', 'bob')];
    await Promise.all([failed(ada), failed(bob)]);
    for (const call of [ada, bob])
      expect(await notice(call)).toMatch(/No network path to the other participant\..*iceServers.*ICE_FAILED/);
  });
});
