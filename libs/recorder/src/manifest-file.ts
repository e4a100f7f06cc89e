import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type RecordingManifest, recordingManifest } from './manifest.ts';

export const manifestName = 'manifest.json';

/** Reads the manifest of a folder; undefined when there is none. Throws when it is no manifest. */
export async function readManifest(directory: string): Promise<RecordingManifest | undefined> {
  const path = join(directory, manifestName);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return recordingManifest.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`${path} is not the manifest of a recording of version 1`, { cause: error });
  }
}

/** Replaces the manifest of a folder: readers see the old one or the new one, also after a power failure. */
export async function writeManifest(directory: string, manifest: RecordingManifest): Promise<void> {
  const path = join(directory, manifestName);
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(`${JSON.stringify(manifest, null, 1)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
