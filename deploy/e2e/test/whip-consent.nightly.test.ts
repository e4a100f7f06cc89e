import { RawClient, type Topology } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { waitFor } from '@flotilla/testkit';
import { useBrowser, useStandalone } from './use-topology.ts';
import { openWhipPage, publish } from './whip-page.ts';

describe('a WHIP publisher whose page is closed without DELETE', () => {
  let topology: Topology;
  let browser: Browser;
  useStandalone((it) => (topology = it));
  useBrowser((it) => (browser = it));

  test('leaves the room when its ICE consent has expired', async () => {
    const room = await topology.api.newRoom('consent');
    const observer = await RawClient.connect(topology.signalUrls[0]!, { token: await topology.api.issueToken(room) });
    await observer.event('welcome');
    await observer.request('join', { room });
    const page = await openWhipPage(browser, topology.pageUrl);
    const token = await topology.api.issueToken(room, { grants: ['publish'] });
    const created = await publish(page, { url: `${topology.pageUrl}/whip/${room}`, token });
    expect(created.status).toBe(201);
    const { from } = await observer.event('publication_added');
    await page.context().close();
    await waitFor(
      'the participant left',
      () =>
        observer.events.find(({ type, payload }) => type === 'participant_left' && payload['participantId'] === from)!
          .payload,
      { timeoutMs: 60_000 },
    );
    observer.close();
  });
});
