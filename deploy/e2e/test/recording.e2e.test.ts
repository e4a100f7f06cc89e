import { endTransports, LightPeer } from '@flotilla/light-peer';
import type { Child } from '@flotilla/processes';
import { CallPage, gatewayUrl, notYet, RawClient, smallViewport, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startEdge, type TestEdge } from './media-edge/edge.ts';
import { beeps, decoderErrors, flashes, probe, sha256 } from './media-edge/media-file.ts';
import { type PartOfManifest, RecordingClient } from './media-edge/recording-client.ts';
import { startFlashes } from './media-edge/senders.ts';
import { useBrowser, useStandalone } from './use-topology.ts';

/** Media type to the name of FFmpeg. */
const ffmpegNames: Readonly<Record<string, string>> = {
  'audio/opus': 'opus',
  'video/VP8': 'vp8',
  'video/H264': 'h264',
};
/** A track may begin that much after the recording, and its last packets may be missing: a wait for a key frame on a busy machine. */
const toleranceMs = 6000;
/** Beeps after flashes, at the median. Perceptible from 125 ms of late sound on (ITU-R BT.1359). */
const maxOffsetMs = 125;
const muteMs = 1500;

interface IngestView {
  readonly id: string;
  readonly state: string;
  readonly participantId: string;
  readonly nodeId: string;
  readonly listen: Record<'video' | 'audio', { readonly port: number }>;
}

describe('a recording of a room', () => {
  let topology: Topology;
  let browser: Browser;
  let edge: TestEdge;
  let room: string;
  let recordings: RecordingClient;
  const peers: LightPeer[] = [];
  const senders: Child[] = [];
  useStandalone((it) => (topology = it));
  useBrowser((it) => (browser = it));
  const startOwnEdge = (): Promise<TestEdge> => startEdge({ api: topology.api, gatewayUrl: gatewayUrl(topology) });
  beforeAll(async () => {
    edge = await startOwnEdge();
  });
  afterAll(async () => {
    await edge.remove();
    endTransports();
  });
  beforeEach(async () => {
    room = await topology.api.newRoom('recorded');
    recordings = new RecordingClient(edge, room);
  });
  afterEach(async () => {
    await Promise.all(senders.splice(0).map((sender) => sender.stop()));
    for (const peer of peers.splice(0)) peer.close();
  });

  async function join(name: string): Promise<LightPeer> {
    const token = await topology.api.issueToken(room);
    const peer = await LightPeer.join({ url: gatewayUrl(topology), token, room, name });
    peers.push(peer);
    return peer;
  }
  const call = (name: string): Promise<CallPage> =>
    CallPage.join(browser, topology.pageUrl, { room, name, viewport: smallViewport });
  const participants = async (): Promise<{ name: string; userId: string; grants: string[] }[]> => {
    const { body } = await topology.api.request('GET', `/v1/rooms/${room}/participants`);
    return (body as { participants: { name: string; userId: string; grants: string[] }[] }).participants;
  };
  /** Migrates a participant. Resolves when it is on another node than before. */
  async function migrate(participantId: string, nodeId: () => Promise<string | undefined>): Promise<void> {
    const before = await nodeId();
    const path = `/v1/rooms/${room}/participants/${participantId}/migrate`;
    const isMoved = async (): Promise<void> => {
      const now = await nodeId();
      if (now === before || now === undefined) notYet(`it is on ${now}`);
    };
    // On a busy machine a migration is rolled back, and repeated. One that runs refuses another.
    await waitFor(
      `${participantId} is on another node`,
      async () => {
        const { body } = await topology.api.request('POST', path, {});
        await waitFor('the migration', isMoved, { timeoutMs: 3000 }).catch(() => notYet(JSON.stringify(body)));
      },
      { timeoutMs: 50_000 },
    );
  }

  /** An ingest of flashes and beeps. */
  async function flash(): Promise<{ participantId: string; nodeId: () => Promise<string> }> {
    const path = `/v1/rooms/${room}/ingests`;
    const { body } = await edge.api.request('POST', path, {
      ...{ kind: 'rtp', name: 'Flashes', listen: { video: {}, audio: {} } },
    });
    const { id, listen } = body as IngestView;
    senders.push(startFlashes({ video: listen.video.port, audio: listen.audio.port }));
    const get = async (): Promise<IngestView> => (await edge.api.request('GET', `${path}/${id}`)).body as IngestView;
    const { participantId } = await waitFor('the sender is in the room', async () => {
      const ingest = await get();
      return ingest.state === 'live' ? ingest : notYet(JSON.stringify(ingest));
    });
    return { participantId, nodeId: async () => (await get()).nodeId };
  }

  test('has a file of each track of a call in which everybody is migrated, in time with each other', async () => {
    const sender = await flash();
    const [ada, bob] = [await call('Ada'), await call('Bob')];
    await Promise.all([ada.receivesMediaOf('Bob'), bob.receivesMediaOf('Ada')]);
    const id = await recordings.start();
    await recordings.shows(id, 'six tracks have frames', ({ tracks }) =>
      tracks.length === 6 ? tracks.every(({ durationMs }) => durationMs > 500) : false,
    );
    expect(await participants()).toContainEqual(
      expect.objectContaining({ name: 'Recording', userId: `recording-${id}`, grants: ['subscribe'] }),
    );
    await bob.page.getByTestId('recording').waitFor();
    await bob.hasTilesOf(['Ada', 'Flashes']);
    await ada.press('mic');
    await bob.showsMuted('Ada');
    const { me: adaId } = await ada.room();
    const { me: bobId } = await bob.room();
    await recordings.grows(id, muteMs, bobId);
    await ada.press('mic');
    await recordings.grows(id, muteMs, adaId);

    const nodeOf = async (): Promise<string> => (await recordings.get(id)).nodeId;
    await Promise.all([
      migrate(adaId, async () => (await ada.room()).nodeId),
      migrate(sender.participantId, sender.nodeId),
    ]);
    const { participantId } = await recordings.grows(id, 500);
    await migrate(participantId, nodeOf);
    await recordings.grows(id, 2000);
    await ada.close();
    await recordings.shows(id, "Ada's tracks have ended", ({ tracks }) =>
      tracks.every(({ state, participantId: of }) => (state === 'ended') === (of === adaId)),
    );

    const ended = await recordings.stop(id);
    expect(await recordings.get(id)).toEqual(ended);
    await bob.page.getByTestId('recording').waitFor({ state: 'detached' });
    const manifest = recordings.manifestOf(id);
    expect(manifest.state).toBe('complete');
    expect(manifest.tracks.flatMap(({ parts }) => parts.map(({ file }) => file))).toEqual(
      ended.tracks.flatMap(({ files }) => files),
    );
    expect(ended.tracks.map(({ codec }) => codec).toSorted()).toEqual([
      ...['audio/opus', 'audio/opus', 'audio/opus', 'video/H264', 'video/VP8', 'video/VP8'],
    ]);
    expect(ended.bytes).toBe(ended.tracks.reduce((sum, { bytes }) => sum + bytes, 0));
    const partOf = (of: string, kind: 'audio' | 'video'): PartOfManifest =>
      manifest.tracks.find((track) => track.participantId === of && track.kind === kind)!.parts[0]!;
    for (const { codec, files, durationMs, participantId: of, kind } of ended.tracks) {
      expect(files).toHaveLength(1);
      const [path, part] = [recordings.fileOf(id, files[0]!), partOf(of, kind)];
      expect(part).toMatchObject({ state: 'complete', clock: 'sender report', sha256: sha256(path) });
      const file = await probe(path);
      expect(file).toMatchObject({ codec: ffmpegNames[codec], packets: part.frames, isInOrder: true });
      expect(Math.abs(file.durationMs - durationMs)).toBeLessThan(50);
      expect(Math.abs(durationMs - ended.durationMs)).toBeLessThan(toleranceMs);
      // Frames of 20 ms, each once, although up to three streams of a publication arrive during the migrations.
      if (kind === 'audio') expect(file.packets * 20).toBeLessThan(durationMs + 500);
      // A decoder that misses a reference complains.
      expect(await decoderErrors(path)).toEqual([]);
    }
    const mutes = partOf(adaId, 'audio').gaps.filter(({ fromMs, toMs }) => toMs - fromMs > muteMs - 500);
    expect(mutes).toMatchObject([{ reason: 'no packets' }]);

    const [video, audio] = [partOf(sender.participantId, 'video'), partOf(sender.participantId, 'audio')];
    const heard = (await beeps(recordings.fileOf(id, audio.file))).map((atMs) => audio.startMs + atMs);
    const offsets = (await flashes(recordings.fileOf(id, video.file)))
      .map((atMs) => video.startMs + atMs)
      .map((seen) => heard.map((at) => at - seen).toSorted((a, b) => Math.abs(a) - Math.abs(b))[0]!)
      .filter((offset) => Math.abs(offset) < 500)
      .toSorted((a, b) => a - b);
    console.log('sound after picture, ms:', offsets.map(Math.round).join(' '));
    expect(offsets.length).toBeGreaterThanOrEqual(4);
    expect(Math.abs(offsets[offsets.length >> 1]!)).toBeLessThan(maxOffsetMs);
  });

  test('is completed when its media edge stops', async () => {
    const own = await startOwnEdge();
    try {
      await join('Ada');
      const ownRecordings = new RecordingClient(own, room);
      const id = await ownRecordings.start();
      await ownRecordings.shows(id, 'two tracks have frames', ({ tracks }) =>
        tracks.length === 2 ? tracks.every(({ durationMs }) => durationMs > 100) : false,
      );
      expect(await own.stop()).toBe(0);
      const manifest = ownRecordings.manifestOf(id);
      expect(manifest).toMatchObject({ state: 'complete' });
      const parts = manifest.tracks.flatMap((track) => track.parts);
      expect(parts.map(({ state }) => state)).toEqual(['complete', 'complete']);
      for (const { file, frames } of parts) {
        expect(frames).toBeGreaterThan(0);
        expect((await probe(ownRecordings.fileOf(id, file))).packets).toBe(frames);
      }
    } finally {
      await own.remove();
    }
  });

  test('lists a publication of VP9, which it leaves out', async () => {
    const id = await recordings.start();
    const client = await RawClient.connect(gatewayUrl(topology), { token: await topology.api.issueToken(room) });
    const { rtpCapabilities } = await client.welcome();
    const codecs = [{ mimeType: 'video/VP9', payloadType: 98, clockRate: 90_000, parameters: { 'profile-id': 0 } }];
    const rtpParameters = { mid: '0', codecs, encodings: [{ ssrc: 1 }] };
    expect(await client.request('join', { room, rtpCapabilities })).toMatchObject({ ok: true });
    const video = { kind: 'video', source: 'camera', muted: false, rtpParameters };
    const published = await client.request('publish', video, `room:${room}`);
    expect(published).toMatchObject({ ok: true });
    const { id: publicationId } = (published.payload as { publication: { id: string } }).publication;
    const shown = await recordings.shows(id, 'it is listed', ({ leftOut }) => leftOut.length > 0);
    expect(shown).toMatchObject({
      ...{ state: 'recording', tracks: [], lastError: { code: 'CODEC_UNSUPPORTED' } },
      leftOut: [{ publicationId, code: 'CODEC_UNSUPPORTED' }],
    });
    client.close();
    await recordings.shows(id, 'it has ended', ({ leftOut }) => leftOut.length === 0);
    await recordings.stop(id);
  });

  test('ends with its room, and paths, rooms and second recordings of a room are refused', async () => {
    const { id: roomId } = (await topology.api.request('GET', `/v1/rooms/${room}`)).body as { id: string };
    const byId = new RecordingClient(edge, roomId);
    const byName = () => edge.api.request('POST', recordings.path);
    const answers = await Promise.all([byName(), edge.api.request('POST', byId.path)]);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 409]));
    const { id } = answers.find(({ status }) => status === 201)!.body as { id: string };
    await byId.shows(id, 'it is in the room', ({ state }) => state === 'recording');
    const codeOf = async (method: string, path: string, body?: unknown): Promise<unknown> =>
      ((await edge.api.request(method, path, body)).body as { error: { code: string } }).error.code;
    expect(await codeOf('POST', recordings.path)).toBe('WRONG_STATE');
    expect(await codeOf('POST', byId.path)).toBe('WRONG_STATE');
    expect(await codeOf('POST', '/v1/rooms/no-such-room/recordings')).toBe('ROOM_NOT_FOUND');
    expect(await codeOf('POST', '/v1/rooms/..%2f..%2fetc/recordings')).toBe('ROOM_NOT_FOUND');
    expect(await codeOf('POST', recordings.path, { directory: '/etc' })).toBe('BAD_PAYLOAD');
    expect(await codeOf('GET', `${recordings.path}/..%2f${id}`)).toBe('NOT_FOUND');
    expect(await codeOf('DELETE', `${recordings.path}/..%2f..`)).toBe('NOT_FOUND');
    await topology.api.request('DELETE', `/v1/rooms/${room}`);
    const ended = await byId.shows(id, 'it has ended', ({ state }) => state === 'complete');
    expect(ended).toMatchObject({ lastError: { code: 'REMOVED' }, tracks: [] });
    expect(await codeOf('POST', recordings.path)).toBe('ROOM_NOT_FOUND');
  });
});
