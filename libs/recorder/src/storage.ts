import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** What a stored file must be. */
export interface StoredFile {
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** Where recordings are kept. */
export interface RecordingStorage {
  /**
   * Stores a file under a key, and replaces what is there. Resolves when the storage has confirmed that it keeps exactly these bytes.
   *
   * @param key path with `/` between its parts.
   * @throws Error when it cannot be stored or differs: nothing is at the key then, or what was there before.
   */
  put(key: string, path: string, expected: StoredFile): Promise<void>;
}

/** SHA-256 and size of a file. */
export async function digestOf(path: string): Promise<StoredFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  await pipeline(createReadStream(path), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  });
  return { bytes, sha256: hash.digest('hex') };
}

/** Keeps recordings in a folder: a mounted volume, or a file server. */
export class DirectoryStorage implements RecordingStorage {
  readonly #root: string;

  constructor(root: string) {
    this.#root = resolve(root);
  }

  async put(key: string, path: string, expected: StoredFile): Promise<void> {
    const target = join(this.#root, key);
    if (!target.startsWith(this.#root + sep)) throw new Error(`the key "${key}" is outside of the storage`);
    await mkdir(dirname(target), { recursive: true });
    const temporary = `${target}.tmp`;
    try {
      await copyFile(path, temporary);
      const file = await open(temporary, 'r+');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
      const stored = await digestOf(temporary);
      if (stored.bytes !== expected.bytes || stored.sha256 !== expected.sha256)
        throw new Error(
          `${key} has ${stored.bytes} bytes with SHA-256 ${stored.sha256} in the storage, not ${expected.bytes} with ${expected.sha256}`,
        );
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** Size of a stored file in bytes; undefined when there is none. */
  async size(key: string): Promise<number | undefined> {
    return (await stat(join(this.#root, key)).catch(() => undefined))?.size;
  }
}
