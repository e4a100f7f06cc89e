import { mkdir, rmdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { FlotillaError } from '@flotilla/contracts';
import { writeError } from './recording-error.ts';

/** Ids of recordings, as this edge makes them: they are names of folders. */
const idPattern = /^rec_[0-9a-z]{16}$/;

/** The folder of a recording. Throws for what is not an id that this edge made. */
export function folderOf(root: string, id: string): string {
  if (!idPattern.test(id)) throw new Error(`"${id}" is not the id of a recording`);
  return join(root, id);
}

/** Creates the folder of a recording, for its user and group. Throws FlotillaError UNAVAILABLE and NO_CAPACITY. */
export async function createFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o750 });
  } catch (cause) {
    const { code, message } = writeError(folder, cause);
    throw new FlotillaError(code === 'DISK_FULL' ? 'NO_CAPACITY' : 'UNAVAILABLE', message, { cause });
  }
}

/** Removes the folder of a recording that has no files. */
export async function removeEmpty(folder: string): Promise<void> {
  // One with files stays.
  await rmdir(folder).catch(() => undefined);
}

/** Bytes that are free for this process on the file system of a folder. */
export async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
