import { createHash } from 'node:crypto';
import { close, fsync, openSync, write } from 'node:fs';
import { promisify } from 'node:util';

const files = { write: promisify(write), sync: promisify(fsync), close: promisify(close) };

/** A new file that is only appended to. */
export class AppendFile {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  readonly #fd: number;

  /** @throws Error when the file exists. */
  constructor(path: string) {
    this.#fd = openSync(path, 'wx');
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Appends all bytes, or throws with those before the failure written. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length;) {
      const { bytesWritten } = await files.write(this.#fd, bytes, from, bytes.length - from, this.#bytes);
      this.#hash.update(bytes.subarray(from, from + bytesWritten));
      this.#bytes += bytesWritten;
      from += bytesWritten;
    }
  }

  /** Closes the file. Returns the SHA-256 of its content. */
  async close(): Promise<string> {
    try {
      await files.sync(this.#fd);
    } finally {
      await files.close(this.#fd);
    }
    return this.#hash.digest('hex');
  }
}
