import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from '@flotilla/processes';
import { notYet, waitFor } from '@flotilla/testkit/signal';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  readManifest,
  Recorder,
  type RecordingManifest,
  recordingManifest,
  type RecordingState,
} from '../src/index.ts';
import { probe } from './media-file.ts';
import { Publisher, vp8Frame } from './synthetic.ts';

let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'flotilla-recorder-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const script = fileURLToPath(new URL('recording-process.ts', import.meta.url));
const codecs = ['VP8', 'H264'] as const;
/** A fragment of MP4 ends with the next key frame. */
const groupFrames = 25;

describe('a recorder that is killed', () => {
  it.each(codecs)(
    'leaves a file of %s that is readable up to its last fragment, and the next run writes a new part',
    async (codec) => {
      const child = new Child('recorder', process.execPath, [script, directory, codec, '2000']);
      await child.line(/^frame 120$/);
      child.process.kill('SIGKILL');
      await child.exited;
      const recorder = await Recorder.start({ directory, recordingId: 'rec_1', roomId: 'rm_1' });
      const [part] = recorder.manifest.tracks[0]!.parts;
      expect(part!.state).toBe('interrupted');
      const { packetsMs } = await probe(join(directory, part!.file));
      expect(packetsMs.length).toBeGreaterThan(120 - 2 * groupFrames);
      expect(packetsMs).toEqual(packetsMs.map((_, at) => at * 40));
      await recorder.stop();
      const again = new Child('recorder', process.execPath, [script, directory, codec, '2000']);
      await again.line(/^frame 60$/);
      again.process.kill('SIGKILL');
      await again.exited;
      const [only] = (await readManifest(directory))!.tracks;
      expect(only!.parts.map(({ file, state }) => [file.at(-5 - (codec === 'VP8' ? 1 : 0)), state])).toEqual([
        ['1', 'interrupted'],
        ['2', 'open'],
      ]);
    },
  );
});

describe('a recorder whose disk is full', () => {
  /** Its own file system of 1 MiB. The files are copied out of it before it goes. */
  const fullDisk =
    'mount -t tmpfs -o size=1m tmpfs "$1" && mkdir "$1/rec" && "$2" "$3" "$1/rec" "$4" 5000; code=$?; cp -r "$1/rec" "$5"; exit $code';

  it.each(codecs)('ends with the state "disk full", and %s is readable up to there', async (codec) => {
    const [disk, copy] = [mkdtempSync(join(directory, 'disk-')), join(directory, 'copy')];
    const child = new Child('recorder', 'unshare', [
      ...['--map-root-user', '--mount', 'sh', '-c', fullDisk, 'sh'],
      ...[disk, process.execPath, script, codec, copy],
    ]);
    const [line] = await child.line(/^\{.*\}$/);
    expect(await child.exited).toBe(0);
    const ended = JSON.parse(line) as { state: RecordingState; code: string; manifest: RecordingManifest };
    expect(ended).toMatchObject({ state: 'disk full', code: 'ENOSPC' });
    const manifest = recordingManifest.parse(await readManifest(copy));
    expect(manifest).toMatchObject({ state: 'disk full', endedAtMs: expect.any(Number) });
    const [part] = manifest.tracks[0]!.parts;
    expect(part!.state).toBe('truncated');
    const { packetsMs } = await probe(join(copy, part!.file));
    // 1 MiB less the reserve for the manifest, in frames of 5 KB.
    expect(packetsMs.length).toBeGreaterThan(170 - 2 * groupFrames);
    expect(packetsMs).toEqual(packetsMs.map((_, at) => at * 40));
  });
});

const startMs = 1_800_000_000_000;
const units = (...hex: string[]): Buffer => Buffer.concat(hex.map((unit) => Buffer.from(`00000001${unit}`, 'hex')));
const vps = '40010c01ffff01600000030090000003000003005d959409';
const sps = '42010101600000030090000003000003005da00280802d1f5965654a4c2f016808000003000800000300f040';
/** A picture parameter set is missing, without which there is no MP4. */
const incompleteKeyFrame = units(vps, sps, '2601af0102');
const keyFrame = units(vps, sps, '4401c073c189', '2601af0102');

describe('a recorder with a track that cannot be put into its container', () => {
  const tracks = async () => {
    const ends: RecordingState[] = [];
    const recorder = await Recorder.start({
      ...{ directory, recordingId: 'rec_1', roomId: 'rm_1' },
      onEnd: (state) => ends.push(state),
    });
    const feed = (publicationId: string, mimeType: string) =>
      recorder.record({
        ...{ publicationId, participantId: 'pt_1', kind: 'video' },
        codec: { mimeType, clockRate: 90_000, payloadType: 96 },
      });
    const broken = new Publisher(feed('pub_broken', 'video/H265'), 10, startMs, 'h265');
    const other = new Publisher(feed('pub_other', 'video/VP8'), 20, startMs);
    for (const publisher of [broken, other]) publisher.report();
    /** Sends frames of both, and waits for a number of the broken track's parts. */
    const send = async (frame: Buffer, parts: number): Promise<void> => {
      broken.send(frame);
      other.send(vp8Frame(true));
      await waitFor(`${parts} closed parts`, () => {
        const closed = recorder.manifest.tracks[0]!.parts.filter(({ state }) => state !== 'open').length;
        if (closed !== parts) notYet(String(closed));
      });
    };
    return { recorder, ends, send };
  };

  it('abandons the part, begins another one with the next key frame, and records the other tracks', async () => {
    const { recorder, ends, send } = await tracks();
    await send(incompleteKeyFrame, 1);
    await send(keyFrame, 1);
    await send(units('0201d00102'), 1);
    const { state, tracks: ended } = await recorder.stop();
    expect([state, ends]).toEqual(['complete', []]);
    expect(ended[0]!.parts).toMatchObject([{ state: 'truncated' }, { state: 'complete', frames: 2 }]);
    expect(ended[1]!.parts).toMatchObject([{ state: 'complete', frames: 3 }]);
  });

  it('writes no more of the track after 10 abandoned parts', async () => {
    const { recorder, send } = await tracks();
    for (let sent = 1; sent <= 14; sent++) await send(incompleteKeyFrame, Math.min(sent, 10));
    const [broken, other] = (await recorder.stop()).tracks;
    expect(broken!.parts.map(({ state }) => state)).toEqual(Array.from({ length: 10 }, () => 'truncated'));
    expect(other!.parts).toMatchObject([{ state: 'complete', frames: 14 }]);
  });
});

describe('a recorder whose folder has files that are not in the manifest', () => {
  const record = async (existing: number) => {
    const files = Array.from({ length: existing }, (_, at) => `pub_1-video-${at + 1}.webm`);
    for (const file of files) writeFileSync(join(directory, file), 'of a killed recorder');
    const recorder = await Recorder.start({ directory, recordingId: 'rec_1', roomId: 'rm_1' });
    const feed = recorder.record({
      ...{ publicationId: 'pub_1', participantId: 'pt_1', kind: 'video' },
      codec: { mimeType: 'video/VP8', clockRate: 90_000, payloadType: 96 },
    });
    const publisher = new Publisher(feed, 10, startMs);
    publisher.report();
    publisher.send(vp8Frame(true), vp8Frame(false));
    const manifest = await recorder.stop();
    for (const file of files) expect(readFileSync(join(directory, file), 'utf8')).toBe('of a killed recorder');
    return manifest;
  };

  it('takes the next free number for a part', async () => {
    const { state, tracks } = await record(2);
    expect(state).toBe('complete');
    expect(tracks[0]!.parts).toMatchObject([{ file: 'pub_1-video-3.webm', state: 'complete', frames: 2 }]);
  });

  it('ends with the state "write failed" when 100 numbers are taken', async () => {
    expect(await record(101)).toMatchObject({ state: 'write failed', tracks: [{ parts: [] }] });
  });
});
