import { createWriteStream, fstatSync, openSync, renameSync, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import { ConfigError, counter, type Logger } from '@flotilla/runtime';

const dropped = counter({
  name: 'registry_capture_dropped_total',
  help: 'Exchanges that were not captured, because the disk was slower than the requests or failed.',
});

/** Bytes that may wait for the disk. */
const maxBacklogBytes = 4 << 20;

/**
 * Lines in a file of bounded size. When it has half of the bytes, it becomes `<path>.1`, in place of the previous one, and a new one
 * begins. Nobody waits for the disk: lines that it is too slow for, or cannot take, are dropped and counted.
 */
export class CaptureFile {
  #stream: WriteStream;
  #bytes: number;
  #failed = false;

  /** @throws ConfigError when the file cannot be written. */
  constructor(
    private readonly path: string,
    private readonly maxBytes: number,
    private readonly log: Pick<Logger, 'warn'>,
  ) {
    try {
      ({ stream: this.#stream, bytes: this.#bytes } = this.#open());
    } catch (error) {
      throw new ConfigError([
        `FLOTILLA_CAPTURE_FILE: ${path} cannot be written (${(error as NodeJS.ErrnoException).code}). Name a file in a directory that the service may write.`,
      ]);
    }
  }

  #open(): { stream: WriteStream; bytes: number } {
    const fd = openSync(this.path, 'a', 0o600);
    const stream = createWriteStream('', { fd });
    stream.on('error', (error) => {
      if (!this.#failed) this.log.warn({ err: error, path: this.path }, 'capture failed, nothing more is captured');
      this.#failed = true;
    });
    return { stream, bytes: fstatSync(fd).size };
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line) + 1;
    if (this.#failed || this.#stream.writableLength > maxBacklogBytes || bytes > this.maxBytes / 2) {
      dropped.inc();
      return;
    }
    if (this.#bytes + bytes > this.maxBytes / 2) this.#rotate();
    this.#bytes += bytes;
    this.#stream.write(`${line}\n`);
  }

  #rotate(): void {
    this.#stream.end();
    try {
      renameSync(this.path, `${this.path}.1`);
      ({ stream: this.#stream, bytes: this.#bytes } = this.#open());
    } catch (error) {
      this.#stream.emit('error', error);
    }
  }

  async close(): Promise<void> {
    if (this.#failed) return;
    this.#stream.end();
    await once(this.#stream, 'close');
  }
}
