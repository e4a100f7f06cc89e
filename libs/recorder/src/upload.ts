import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RecordingManifest } from './manifest.ts';
import { manifestName, readManifest, writeManifest } from './manifest-file.ts';
import { digestOf, type RecordingStorage } from './storage.ts';

export interface UploadOptions {
  /** Begins the keys. Default: the id of the recording. */
  readonly prefix?: string;
  /** Tries for each file. Default 5. */
  readonly maxTries?: number;
  /** Wait before the second try in ms; it doubles with each further one. Default 500. */
  readonly backoffMs?: number;
  /** Removes the files of parts, not the manifest, once all are confirmed. */
  readonly removesParts?: boolean;
}

/**
 * Uploads an ended recording: the parts, then the manifest, so that a stored manifest has all its files. It can be repeated.
 *
 * @returns the manifest as it is stored: all parts have their SHA-256.
 * @throws Error when the recording has not ended, or a file could not be stored. The local files are kept then.
 */
export async function uploadRecording(
  directory: string,
  storage: RecordingStorage,
  options: UploadOptions = {},
): Promise<RecordingManifest> {
  const manifest = await readManifest(directory);
  if (!manifest) throw new Error(`${directory} has no ${manifestName}`);
  const { prefix = manifest.recordingId, removesParts = false } = options;
  const parts = manifest.tracks.flatMap((track) => track.parts);
  if (parts.some(({ state }) => state === 'open'))
    throw new Error(
      `recording ${manifest.recordingId} has open parts. Stop it, or continue and stop it after a crash.`,
    );
  for (const part of parts) {
    const path = join(directory, part.file);
    const digest = await digestOf(path);
    if (part.sha256 !== undefined && part.sha256 !== digest.sha256)
      throw new Error(`${path} has SHA-256 ${digest.sha256}, but was written with ${part.sha256}`);
    Object.assign(part, digest);
    await withRetry(() => storage.put(`${prefix}/${part.file}`, path, digest), options);
  }
  await writeManifest(directory, manifest);
  const path = join(directory, manifestName);
  const digest = await digestOf(path);
  await withRetry(() => storage.put(`${prefix}/${manifestName}`, path, digest), options);
  if (removesParts) for (const { file } of parts) await rm(join(directory, file), { force: true });
  return manifest;
}

async function withRetry(work: () => Promise<void>, { maxTries = 5, backoffMs = 500 }: UploadOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= maxTries) throw error;
      await delay(backoffMs * 2 ** (attempt - 1));
    }
  }
}
