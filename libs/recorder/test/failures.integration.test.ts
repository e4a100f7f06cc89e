import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from '@flotilla/processes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  readManifest,
  Recorder,
  type RecordingManifest,
  recordingManifest,
  type RecordingState,
} from '../src/index.ts';
import { probe } from './media-file.ts';

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
