import { LightPeer } from '@flotilla/light-peer';
import { freePort } from '@flotilla/processes';
import { CallPage, notYet, type Topology, UdpRelay, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { standalone } from '../src/index.ts';
import { useBrowser } from './use-topology.ts';

/** The address that the SFU nodes announce: the narrow downlinks begin there. They listen on 127.0.0.1, at the same ports. */
const pathHost = '127.0.0.2';
/** Of 240 kbit/s of video and 32 kbit/s of audio each. */
const publishers = 4;
const narrow = 600_000;
const within = { timeoutMs: 40_000 } as const;

describe('the call page on a narrow downlink', () => {
  let topology: Topology;
  /** In front of each SFU node of the standalone. */
  const paths: UdpRelay[] = [];
  let browser: Browser;
  const peers: LightPeer[] = [];

  useBrowser((it) => (browser = it));
  beforeAll(async () => {
    const port = await freePort();
    topology = await standalone({
      FLOTILLA_SFU_WORKERS: '1',
      FLOTILLA_SFU_PORT_BASE: String(port),
      FLOTILLA_SFU_ANNOUNCED_ADDRESS: pathHost,
    });
    for (const each of [port, port + 1])
      paths.push(await UdpRelay.start({ host: pathHost, port: each, targetPort: each }));
  });
  afterAll(async () => {
    for (const peer of peers) peer.close();
    for (const path of paths) await path.close();
    await topology?.stop();
  });

  test('says which videos are paused for bandwidth while the others and all audio continue, and resumes them when it is wide', async () => {
    const { api, signalUrls, pageUrl } = topology;
    const room = await api.newRoom('narrow');
    for (let number = 0; number < publishers; number++)
      peers.push(await LightPeer.join({ url: signalUrls[0]!, token: await api.issueToken(room), room }));
    const ada = await CallPage.join(browser, pageUrl, { room, name: 'ada', withoutDevices: true });
    const signs = ada.page.locator('[data-testid="tile-limited"]');
    const framesByTile = async (): Promise<Map<string, number>> =>
      new Map((await ada.tiles()).map(({ participantId, frames }) => [participantId, frames]));
    /** Waits until a number of tiles, and no fewer, show new frames. */
    const showing = (count: number, what: string): Promise<void> =>
      waitFor(
        what,
        async () => {
          const before = await framesByTile();
          await ada.page.waitForTimeout(700);
          const moving = [...(await framesByTile())].filter(([id, frames]) => frames > (before.get(id) ?? 0)).length;
          if (moving < count) notYet(`${moving} of ${publishers} tiles show frames`);
        },
        within,
      );

    await showing(publishers, 'all videos');
    expect(await signs.count()).toBe(0);

    for (const path of paths) path.downBitrate = narrow;
    await waitFor(
      'some videos, but not all, that are paused for bandwidth',
      async () => {
        const count = await signs.count();
        if (count === 0 || count === publishers) notYet(`${count} tiles say so`);
      },
      within,
    );
    await showing(1, 'another video');
    const sounds = await ada.page.evaluate(() =>
      [...globalThis.flotilla.room!.participants.values()].flatMap(({ publications }) =>
        [...publications.values()].filter(({ kind }) => kind === 'audio').map((each) => each.pausedForBandwidth),
      ),
    );
    expect(sounds).toEqual(Array.from({ length: publishers }, () => false));

    for (const path of paths) path.downBitrate = Infinity;
    await waitFor(
      'at most one tile that says so',
      async () => (await signs.count()) <= 1 || notYet(`${await signs.count()} do`),
      within,
    );
    await showing(publishers - 1, 'the other videos');
    await ada.close();
    expect(ada.problems).toEqual([]);
  });
});
