import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny';
import { notYet, waitFor } from '@flotilla/testkit/signal';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type ManifestPart,
  readManifest,
  Recorder,
  type RecordedTrack,
  recordingManifest,
  type RecordingManifest,
  type RecordingState,
  type TrackFeed,
} from '../src/index.ts';
import { AppendFile } from '../src/append-file.ts';
import { Publisher, vp8Frame } from './synthetic.ts';

const startMs = 1_800_000_000_000;
const [key, delta] = [vp8Frame(true), vp8Frame(false)];
let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'flotilla-recorder-'))));
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

const start = () => Recorder.start({ directory, recordingId: 'rec_1', roomId: 'rm_1' });
const track = (mimeType = 'video/VP8', requestKeyFrame: (ssrc: number) => void = () => undefined): RecordedTrack => ({
  ...{ publicationId: 'pub_1', participantId: 'pt_1', kind: 'video', requestKeyFrame },
  codec: { mimeType, clockRate: 90_000, payloadType: 96 },
});
const onlyPart = ({ tracks }: RecordingManifest): ManifestPart => {
  expect(tracks.flatMap(({ parts }) => parts)).toHaveLength(1);
  return tracks[0]!.parts[0]!;
};

/** Times of the frames of a file in ms, and whether each is a key frame. */
async function framesOf(file: string): Promise<{ atMs: number; isKeyFrame: boolean }[]> {
  const input = new Input({ formats: ALL_FORMATS, source: new BufferSource(readFileSync(join(directory, file))) });
  const [only] = await input.getTracks();
  const frames: { atMs: number; isKeyFrame: boolean }[] = [];
  for await (const packet of new EncodedPacketSink(only!).packets())
    frames.push({ atMs: Math.round(packet.timestamp * 1000), isKeyFrame: packet.type === 'key' });
  return frames;
}

describe('Recorder', () => {
  it('writes the frames from the first key frame on, at the times of the sender reports', async () => {
    const requests: number[] = [];
    const recorder = await start();
    const publisher = new Publisher(recorder.record(track('video/VP8', (ssrc) => requests.push(ssrc))), 10, startMs);
    publisher.send(delta, delta);
    publisher.report();
    publisher.send(key, delta, delta);
    publisher.pause(50);
    publisher.send(key, delta);
    const part = onlyPart(await recorder.stop());
    expect(requests).toEqual([10]);
    expect(part).toMatchObject({
      ...{ state: 'complete', startMs: startMs + 80, clock: 'sender report', frames: 5, width: 320, height: 240 },
      endMs: startMs + 80 + 54 * 40,
      sources: [10],
      gaps: [{ fromMs: startMs + 160, toMs: startMs + 80 + 53 * 40, reason: 'no packets' }],
    });
    expect((await framesOf(part.file)).map(({ atMs }) => atMs)).toEqual([0, 40, 80, 53 * 40, 54 * 40]);
  });

  it('continues the file with the first key frame of a new SSRC, and takes no frame of the previous one after it', async () => {
    const recorder = await start();
    const feed = recorder.record(track());
    const previous = new Publisher(feed, 10, startMs);
    previous.report();
    previous.send(key, delta, delta);
    // The new source starts on the same clock, and its first frames cannot be decoded.
    const next = new Publisher(feed, 20, startMs);
    next.pause(3);
    next.report();
    next.send(delta);
    previous.send(delta);
    next.send(vp8Frame(true, 100, 640));
    previous.send(delta, delta);
    next.send(delta);
    const part = onlyPart(await recorder.stop());
    expect(part).toMatchObject({ frames: 6, sources: [10, 20], state: 'complete' });
    expect(await framesOf(part.file)).toEqual(
      [0, 40, 80, 120, 160, 200].map((atMs) => ({ atMs, isKeyFrame: atMs === 0 || atMs === 160 })),
    );
  });

  it('takes each frame once while three streams of a publication arrive at once', async () => {
    const recorder = await start();
    const feed = recorder.record({ ...track('audio/opus'), kind: 'audio' });
    const publishers = [10, 20, 30].map((ssrc) => new Publisher(feed, ssrc, startMs, 'opus'));
    for (const publisher of publishers) publisher.report();
    const frame = Buffer.from('f80102', 'hex');
    for (let sent = 0; sent < 5; sent++) for (const publisher of publishers) publisher.send(frame);
    const part = onlyPart(await recorder.stop());
    // The first frame of each stream, and all of the last one.
    expect(part).toMatchObject({ frames: 7, sources: [10, 20, 30] });
  });

  it('continues with the previous SSRC at once when the new one has ended, as after a rolled-back migration', async () => {
    const recorder = await start();
    const feed = recorder.record(track());
    const [previous, next] = [new Publisher(feed, 10, startMs), new Publisher(feed, 20, startMs)];
    for (const publisher of [previous, next]) publisher.report();
    previous.send(key, delta);
    next.pause(2);
    next.send(key);
    previous.send(delta);
    feed.streamEnded(20);
    previous.send(key, delta);
    const part = onlyPart(await recorder.stop());
    expect(part).toMatchObject({ frames: 5, sources: [10, 20, 10] });
    expect((await framesOf(part.file)).map(({ atMs }) => atMs)).toEqual([0, 40, 80, 120, 160]);
  });

  it('continues with the newest of two SSRCs that begin at once, and asks each stream for one key frame', async () => {
    const requests: number[] = [];
    const recorder = await start();
    const feed = recorder.record(track('video/VP8', (ssrc) => requests.push(ssrc)));
    const previous = new Publisher(feed, 10, startMs);
    previous.report();
    previous.send(key);
    const queues = [20, 30].map((ssrc) => {
      const packets: Buffer[] = [];
      const queue: TrackFeed = {
        packet: (bytes) => void packets.push(Buffer.from(bytes)),
        senderReport: () => undefined,
        streamEnded: () => undefined,
      };
      const publisher = new Publisher(queue, ssrc, startMs + 40);
      // Each of several packets.
      publisher.send(vp8Frame(false, 5000), vp8Frame(true, 5000), vp8Frame(false, 5000));
      return packets;
    });
    expect(queues[0]!.length).toBeGreaterThan(10);
    for (let at = 0; at < queues[0]!.length; at++) for (const packets of queues) feed.packet(packets[at]!, startMs);
    const part = onlyPart(await recorder.stop());
    expect(part).toMatchObject({ frames: 4, sources: [10, 20, 30] });
    expect(requests).toEqual([10, 20, 30]);
  });

  it('records at the times of arrival when there is no sender report', async () => {
    const recorder = await start();
    const publisher = new Publisher(recorder.record(track()), 10, startMs);
    publisher.send(key, delta, delta);
    const part = onlyPart(await recorder.stop());
    expect(part).toMatchObject({ clock: 'arrival', startMs, endMs: startMs + 80, frames: 3 });
  });

  it('continues a recording with a new part, and says that the open one was interrupted', async () => {
    const first = await start();
    const publisher = new Publisher(first.record(track()), 10, startMs);
    publisher.report();
    publisher.send(key, delta);
    const ended = await first.stop();
    // As a killed recorder leaves it.
    const left = { ...ended, state: 'recording', endedAtMs: undefined };
    left.tracks[0]!.parts[0]!.state = 'open';
    writeFileSync(join(directory, 'manifest.json'), JSON.stringify(left));
    const second = await start();
    expect((await readManifest(directory))!.tracks[0]!.parts[0]!.state).toBe('interrupted');
    const again = new Publisher(second.record(track()), 20, startMs + 10_000);
    again.report();
    again.send(key, delta);
    const [only] = (await second.stop()).tracks;
    expect(only!.parts).toMatchObject([
      { file: 'pub_1-video-1.webm', state: 'interrupted', startMs },
      { file: 'pub_1-video-2.webm', state: 'complete', startMs: startMs + 10_000 },
    ]);
    expect(readdirSync(directory).sort()).toEqual(['manifest.json', 'pub_1-video-1.webm', 'pub_1-video-2.webm']);
  });

  it('writes a manifest that its schema accepts, with the SHA-256 of each part', async () => {
    const recorder = await start();
    const publisher = new Publisher(recorder.record(track()), 10, startMs);
    publisher.send(key);
    const ended = await recorder.stop();
    expect(recordingManifest.parse(ended)).toEqual(ended);
    expect(await readManifest(directory)).toEqual(ended);
    expect(onlyPart(ended)).toMatchObject({
      sha256: expect.stringMatching(/^[\da-f]{64}$/),
      bytes: expect.any(Number),
    });
  });

  it.each([
    ['EIO', 'write failed'],
    ['ENOSPC', 'disk full'],
  ])('that cannot close its files because of %s has the state "%s" and the first cause', async (code, state) => {
    const ends: RecordingState[] = [];
    const recorder = await Recorder.start({
      ...{ directory, recordingId: 'rec_1', roomId: 'rm_1' },
      onEnd: (end) => ends.push(end),
    });
    const publisher = new Publisher(recorder.record(track()), 10, startMs);
    publisher.report();
    publisher.send(key, delta);
    const failures = ['first', 'second'].map((message) => Object.assign(new Error(message), { code }));
    // Its end is written, and then it is synchronised.
    vi.spyOn(AppendFile.prototype, 'append').mockRejectedValue(failures[0]);
    vi.spyOn(AppendFile.prototype, 'close').mockRejectedValue(failures[1]);
    const manifest = await recorder.stop();
    expect(manifest).toMatchObject({ state, reason: 'first', tracks: [{ parts: [{ state: 'truncated' }] }] });
    expect(await readManifest(directory)).toEqual(manifest);
    expect(recorder.error).toBe(failures[0]);
    // It was asked to end.
    expect(ends).toEqual([]);
  });

  it('that is stopped early has the state and the reason that it is given, until it is continued', async () => {
    const failure = { state: 'failed', reason: 'GAVE_UP: not in the room' } as const;
    await (await start()).stop(failure);
    expect(await readManifest(directory)).toMatchObject(failure);
    const again = await start();
    expect(await again.stop()).toMatchObject({ state: 'complete' });
    expect(await readManifest(directory)).not.toHaveProperty('reason');
  });

  it('refuses an unsupported codec, a publication that is being recorded, and an id that is no file name', async () => {
    const recorder = await start();
    expect(() => recorder.record(track('video/AV1'))).toThrow('video/AV1 cannot be recorded');
    recorder.record(track());
    expect(() => recorder.record(track())).toThrow('is being recorded');
    expect(() => recorder.record({ ...track(), publicationId: '../x' })).toThrow('is not a publication id');
    await recorder.stop();
    expect(() => recorder.record({ ...track(), publicationId: 'pub_2' })).toThrow('has ended');
  });

  it('has a publication that continues with another codec as another track', async () => {
    const recorder = await start();
    const first = new Publisher(recorder.record(track()), 10, startMs);
    first.report();
    first.send(key, delta);
    await recorder.endTrack('pub_1');
    const second = new Publisher(recorder.record(track('video/H264')), 20, startMs + 80, 'h264');
    second.report();
    second.send(units(...h264Sets, '65880102'));
    const { tracks } = await recorder.stop();
    expect(tracks.map(({ codec, parts }) => [codec.mimeType, parts.map(({ file }) => file)])).toEqual([
      ['video/VP8', ['pub_1-video-1.webm']],
      ['video/H264', ['pub_1-video-1.mp4']],
    ]);
  });

  it('has closed the files of a track that was ending when it is stopped', async () => {
    const recorder = await start();
    const publisher = new Publisher(recorder.record(track()), 10, startMs);
    publisher.report();
    publisher.send(key, delta);
    const ending = recorder.endTrack('pub_1');
    expect(onlyPart(await recorder.stop())).toMatchObject({ state: 'complete', frames: 2 });
    expect((await readManifest(directory))!.tracks[0]!.parts[0]).toMatchObject({ state: 'complete' });
    await ending;
  });

  it('ends the part with the largest fragment of H.264 when all of them take too much memory', async () => {
    const recorder = await Recorder.start({ directory, recordingId: 'rec_1', roomId: 'rm_1', maxMemoryBytes: 10_000 });
    const [small, large] = ['pub_1', 'pub_2'].map((publicationId, at) => {
      const feed = recorder.record({ ...track('video/H264'), publicationId });
      const publisher = new Publisher(feed, 10 * (at + 1), startMs, 'h264');
      publisher.report();
      publisher.send(units(...h264Sets, '65880102'));
      return publisher;
    });
    const inter = units(`41${'88'.repeat(1000)}`);
    small!.send(inter);
    for (let sent = 0; sent < 12; sent++) large!.send(inter);
    const partsOf = (publicationId: string): ManifestPart[] =>
      recorder.manifest.tracks.find((one) => one.publicationId === publicationId)!.parts;
    await waitFor('the end of the part', () => partsOf('pub_2')[0]!.state === 'complete' || notYet('it is open'));
    expect(partsOf('pub_1')).toMatchObject([{ state: 'open' }]);
    large!.send(inter, units(...h264Sets, '65880102'), inter);
    await recorder.stop();
    expect(partsOf('pub_2')).toMatchObject([
      { state: 'complete', frames: 13 },
      { state: 'complete', frames: 2 },
    ]);
  });

  it('refuses the folder of another recording', async () => {
    await (await start()).stop();
    await expect(Recorder.start({ directory, recordingId: 'rec_2', roomId: 'rm_1' })).rejects.toThrow(
      'Use a folder for each',
    );
  });
});

const units = (...hex: string[]) => Buffer.concat(hex.map((unit) => Buffer.from(`00000001${unit}`, 'hex')));
const h264Sets = ['6742c00dda0507ec0440000003004000000f03c50aa8', '68ce0fc8'];
const h264LargerSets = ['67f4001e919b281405ff3e0220000003002000000781e2c5b2c0', '68ebe3c44844'];
const h265Vps = '40010c01ffff01600000030090000003000003005d959409';
const h265Sps = '42010101600000030090000003000003005da00280802d1f5965654a4c2f016808000003000800000300f040';

describe('parameter sets that change', () => {
  it('are in the same file for H.264', async () => {
    const recorder = await start();
    const publisher = new Publisher(recorder.record(track('video/H264')), 10, startMs, 'h264');
    publisher.report();
    publisher.send(units(...h264Sets, '65880102'), units('41880102'), units(...h264LargerSets, '65880102'));
    const part = onlyPart(await recorder.stop());
    expect(part).toMatchObject({ file: 'pub_1-video-1.mp4', width: 320, height: 240, frames: 3 });
    expect((await framesOf(part.file)).map(({ isKeyFrame }) => isKeyFrame)).toEqual([true, false, true]);
  });

  it('of a stream without key frames are asked for again after 5 s, because a fragment of MP4 ends with one', async () => {
    const requests: number[] = [];
    const recorder = await start();
    const publisher = new Publisher(
      recorder.record(track('video/H264', (ssrc) => requests.push(ssrc))),
      10,
      startMs,
      'h264',
    );
    publisher.report();
    publisher.send(units(...h264Sets, '65880102'));
    expect(requests).toHaveLength(1);
    publisher.pause(124);
    publisher.send(units('41880102'));
    expect(requests).toHaveLength(1);
    await waitFor('the end of the interval between two requests', () => {
      publisher.send(units('41880102'));
      if (requests.length < 2) notYet('no request');
    });
    await recorder.stop();
  });

  it('begin a new part for H.265', async () => {
    const recorder = await start();
    const publisher = new Publisher(recorder.record(track('video/H265')), 10, startMs, 'h265');
    publisher.report();
    const frame = (pps: string) => units(h265Vps, h265Sps, pps, '2601af0102');
    publisher.send(frame('4401c073c189'), units('0201d00102'), frame('4401c073c189'), frame('4401c073c188'));
    const [only] = (await recorder.stop()).tracks;
    expect(only!.parts).toMatchObject([
      { frames: 3, startMs, width: 1280, height: 718, state: 'complete' },
      { frames: 1, startMs: startMs + 120, state: 'complete' },
    ]);
    expect(await framesOf(only!.parts[0]!.file)).toHaveLength(3);
  });
});
