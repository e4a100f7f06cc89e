import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  digestOf,
  DirectoryStorage,
  recordingManifest,
  Recorder,
  type RecordingStorage,
  uploadRecording,
} from '../src/index.ts';
import { Publisher, vp8Frame } from './synthetic.ts';

let [directory, root]: string[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flotilla-recorder-'));
  root = mkdtempSync(join(tmpdir(), 'flotilla-storage-'));
});
afterEach(() => {
  for (const folder of [directory!, root!]) rmSync(folder, { recursive: true });
});

/** An ended recording of one track. */
async function recorded(): Promise<string> {
  const recorder = await Recorder.start({ directory: directory!, recordingId: 'rec_1', roomId: 'rm_1' });
  const feed = recorder.record({
    ...{ publicationId: 'pub_1', participantId: 'pt_1', kind: 'video' },
    codec: { mimeType: 'video/VP8', clockRate: 90_000, payloadType: 96 },
  });
  new Publisher(feed, 10, 1_800_000_000_000).send(vp8Frame(true), vp8Frame(false));
  return (await recorder.stop()).tracks[0]!.parts[0]!.file;
}

describe('DirectoryStorage', () => {
  it('keeps a file whose SHA-256 it has confirmed, and replaces the one before', async () => {
    const storage = new DirectoryStorage(root!);
    const path = join(directory!, 'file');
    for (const content of ['first', 'second']) {
      writeFileSync(path, content);
      await storage.put('a/b', path, await digestOf(path));
      expect(readFileSync(join(root!, 'a/b'), 'utf8')).toBe(content);
    }
  });

  it('keeps nothing that differs from what is expected', async () => {
    const storage = new DirectoryStorage(root!);
    const path = join(directory!, 'file');
    writeFileSync(path, 'content');
    const expected = { ...(await digestOf(path)), sha256: '0'.repeat(64) };
    await expect(storage.put('a/b', path, expected)).rejects.toThrow('SHA-256');
    expect(readdirSync(join(root!, 'a'))).toEqual([]);
  });

  it('refuses a key outside of its folder', async () => {
    const path = join(directory!, 'file');
    writeFileSync(path, 'content');
    await expect(new DirectoryStorage(root!).put('../b', path, await digestOf(path))).rejects.toThrow('outside');
  });
});

describe('uploadRecording', () => {
  it('stores the parts and then the manifest, and removes the local parts once all are confirmed', async () => {
    const file = await recorded();
    const content = readFileSync(join(directory!, file));
    await uploadRecording(directory!, new DirectoryStorage(root!), { removesParts: true });
    expect(readFileSync(join(root!, 'rec_1', file))).toEqual(content);
    const manifest = recordingManifest.parse(JSON.parse(readFileSync(join(root!, 'rec_1/manifest.json'), 'utf8')));
    expect(manifest.tracks[0]!.parts[0]).toMatchObject(await digestOf(join(root!, 'rec_1', file)));
    expect(readdirSync(directory!)).toEqual(['manifest.json']);
  });

  it('tries again after a failure, and keeps the local files when it fails for good', async () => {
    const file = await recorded();
    const puts: string[] = [];
    const failing = (times: number): RecordingStorage => ({
      put: async (key) => {
        puts.push(key);
        if (puts.length <= times) throw new Error('unavailable');
      },
    });
    const options = { maxTries: 2, backoffMs: 1, removesParts: true };
    await expect(uploadRecording(directory!, failing(2), options)).rejects.toThrow('unavailable');
    expect(readdirSync(directory!)).toContain(file);
    puts.length = 0;
    await uploadRecording(directory!, failing(1), options);
    expect(puts).toEqual([`rec_1/${file}`, `rec_1/${file}`, 'rec_1/manifest.json']);
  });

  it('refuses a part that was changed after it was written', async () => {
    const file = await recorded();
    writeFileSync(join(directory!, file), 'changed');
    await expect(uploadRecording(directory!, new DirectoryStorage(root!))).rejects.toThrow('was written with');
  });
});
