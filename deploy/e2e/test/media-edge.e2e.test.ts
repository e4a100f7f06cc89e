import { type Child, freePort } from '@flotilla/processes';
import { CallPage, gatewayUrl, notYet, type RestApi, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startEdge, type TestEdge } from './media-edge/edge.ts';
import { startCamera, startEncoder } from './media-edge/senders.ts';
import { useBrowser, useStandalone } from './use-topology.ts';
import { openWhipPage, publish, remove } from './whip-page.ts';

interface IngestView {
  readonly id: string;
  readonly state: string;
  readonly participantId?: string;
  readonly nodeId?: string;
  readonly url?: string;
  readonly listen: { readonly video: { port: number }; readonly audio: { port: number } };
  readonly streams: { readonly video?: { packets: number; lost: number } };
  readonly lastError?: { readonly code: string; readonly message: string };
}

describe('the media edge', () => {
  let topology: Topology;
  let browser: Browser;
  let started: TestEdge;
  let edge: RestApi;
  let room: string;
  const senders: Child[] = [];
  useStandalone((it) => (topology = it));
  useBrowser((it) => (browser = it));
  beforeAll(async () => {
    started = await startEdge({ api: topology.api, gatewayUrl: gatewayUrl(topology) });
    edge = started.api;
  });
  afterAll(() => started.remove());
  beforeEach(async () => {
    room = await topology.api.newRoom('edge');
  });
  afterEach(async () => {
    await Promise.all(senders.splice(0).map((sender) => sender.stop()));
    const { body } = await edge.request('GET', `/v1/rooms/${room}/ingests`);
    for (const { id } of (body as { ingests: IngestView[] }).ingests)
      await edge.request('DELETE', `/v1/rooms/${room}/ingests/${id}`);
  });

  async function create(body: unknown): Promise<IngestView> {
    const { status, body: ingest } = await edge.request('POST', `/v1/rooms/${room}/ingests`, body);
    expect({ status, ingest }).toMatchObject({ status: 201 });
    return ingest as IngestView;
  }
  const get = async (id: string): Promise<IngestView> =>
    (await edge.request('GET', `/v1/rooms/${room}/ingests/${id}`)).body as IngestView;
  const reaches = (id: string, state: string): Promise<IngestView> =>
    waitFor(`the ingest is ${state}`, async () => {
      const ingest = await get(id);
      return ingest.state === state ? ingest : notYet(JSON.stringify(ingest));
    });

  /** Waits until a page has rendered new frames of a participant. */
  async function rendersNew(page: CallPage, name: string, count = 15): Promise<void> {
    const before = (await page.receivedFrom(name)).videoFrames;
    let last = before;
    let frames = 0;
    await waitFor(`${count} new frames of ${name}`, async () => {
      const { videoFrames } = await page.receivedFrom(name);
      frames += videoFrames >= last ? videoFrames - last : videoFrames;
      last = videoFrames;
      if (frames < count)
        notYet(
          `${frames} frames; the ingest: ${JSON.stringify(await edge.request('GET', `/v1/rooms/${room}/ingests`))}`,
        );
    });
  }

  async function migrate({ id, participantId, nodeId }: IngestView): Promise<void> {
    const { status } = await topology.api.request(
      'POST',
      `/v1/rooms/${room}/participants/${participantId}/migrate`,
      {},
    );
    expect(status).toBe(202);
    await waitFor('the participant of the ingest is on another node', async () => {
      const { nodeId: now } = await get(id);
      if (now === nodeId) notYet(`it is on ${now}`);
    });
  }

  test('audio and video of an encoder that sends RTP arrive in Chromium, also after a migration and after a restart', async () => {
    const rtcp = await freePort();
    const { id, listen } = await create({
      kind: 'rtp',
      name: 'Encoder',
      listen: { video: { rtcpPort: rtcp }, audio: {} },
    });
    const target = { video: listen.video.port, audio: listen.audio.port, rtcp };
    const encoder = startEncoder(target);
    senders.push(encoder);
    await reaches(id, 'live');
    // It joins after the only key frame that the encoder makes without a request.
    const ada = await CallPage.join(browser, topology.pageUrl, { room, name: 'Ada', withoutDevices: true });
    await ada.receivesMediaOf('Encoder');
    expect((await ada.receivedFrom('Encoder')).videoWidth).toBe(320);
    await ada.watchFrames();
    await rendersNew(ada, 'Encoder');
    await migrate(await get(id));
    await rendersNew(ada, 'Encoder', 45);
    const gap = Math.max(...(await ada.takeFrameGaps()).map(({ longest }) => longest));
    console.log(`longest gap between frames with a migration of the ingest: ${Math.round(gap)} ms`);

    await encoder.stop();
    senders.push(startEncoder(target));
    await rendersNew(ada, 'Encoder');
    expect(await get(id)).toMatchObject({ state: 'live' });
    expect((await edge.request('DELETE', `/v1/rooms/${room}/ingests/${id}`)).status).toBe(204);
    await ada.hasTilesOf([]);
  });

  test('an RTSP camera with a password is seen in Chromium, and again after it was away', async () => {
    const port = await freePort();
    const url = `rtsp://ada:secret@127.0.0.1:${port}/h264`;
    const { id } = await create({ kind: 'rtsp', name: 'Camera', url });
    expect(await reaches(id, 'retrying')).toMatchObject({ lastError: { code: 'SOURCE_UNREACHABLE' } });
    const camera = await startCamera(port);
    senders.push(camera);
    const live = await reaches(id, 'live');
    expect(live.url).toBe(`rtsp://127.0.0.1:${port}/h264`);
    const ada = await CallPage.join(browser, topology.pageUrl, { room, name: 'Ada', withoutDevices: true });
    await rendersNew(ada, 'Camera');
    await camera.stop();
    await reaches(id, 'retrying');
    senders.push(await startCamera(port));
    await rendersNew(ada, 'Camera');
  });

  test('what cannot be passed on is named by a code, over TCP and UDP', async () => {
    const port = await freePort();
    senders.push(await startCamera(port));
    const codeOf = async (stream: string, transport = 'tcp'): Promise<string> => {
      const { id } = await create({ kind: 'rtsp', name: 'Camera', url: `rtsp://${stream}`, transport });
      return (await reaches(id, 'failed')).lastError!.code;
    };
    const camera = `127.0.0.1:${port}`;
    expect(
      await Promise.all([
        codeOf(`ada:secret@${camera}/high`, 'udp'),
        codeOf(`ada:secret@${camera}/jpeg`),
        codeOf(`ada:wrong@${camera}/h264`),
        codeOf(`${camera}/h264`),
      ]),
    ).toEqual(['PROFILE_UNSUPPORTED', 'CODEC_UNSUPPORTED', 'SOURCE_UNAUTHORIZED', 'SOURCE_UNAUTHORIZED']);
    const refused = async (path: string, body: unknown): Promise<unknown> =>
      (await edge.request('POST', path, body)).body;
    expect(
      await refused(`/v1/rooms/${room}/ingests`, { kind: 'rtp', name: 'X', listen: { video: { codec: 'H265' } } }),
    ).toMatchObject({ error: { code: 'MEDIA_UNSUPPORTED' } });
    expect(
      await refused('/v1/rooms/no-such-room/ingests', { kind: 'rtsp', name: 'X', url: 'rtsp://127.0.0.1/' }),
    ).toMatchObject({ error: { code: 'ROOM_NOT_FOUND' } });
  });

  test('an encoder publishes by WHIP with a key of the edge, and its participant leaves with it', async () => {
    const viewer = await CallPage.join(browser, topology.pageUrl, { room, name: 'Viewer' });
    const page = await openWhipPage(browser, topology.pageUrl);
    expect(await publish(page, { url: `${started.url}/whip/${room}`, token: 'stream-key' })).toMatchObject({
      status: 201,
    });
    await viewer.receivesMediaOf('Encoder');
    expect(await remove(page)).toBe(200);
    await viewer.hasTilesOf([]);
    await page.context().close();
    await viewer.close();
  });
});
