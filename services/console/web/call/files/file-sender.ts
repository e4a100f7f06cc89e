import { FlotillaError, type MetadataMessage, type Room } from '@flotilla/client';
import {
  type FileMessage,
  fileMessage,
  filesTopic,
  megabytes,
  packPiece,
  parseProgress,
  pieceBytes,
  type Progress,
  progressTopic,
  windowBytes,
} from './file-messages.ts';
import type { Transfer } from './transfer.ts';

/** Deadline for receivers to answer an offer. */
const readyWithinMs = 5000;
/** Deadline for a receiver to catch up with the window, and at the end with the file. */
const progressWithinMs = 30_000;
const pollMs = 50;

/** Sends one file to the participants who are in the room at its start. */
export class FileSender {
  readonly #ready = new Set<string>();
  /** Bytes by receiver. */
  readonly #progress = new Map<string, number>();
  readonly #ended = new Map<string, 'received' | 'refused'>();

  constructor(
    private readonly room: Room,
    private readonly file: File,
    /** Its id is the file's number. */
    readonly transfer: Transfer,
    private readonly changed: () => void,
  ) {}

  /** Resumes the current wait. */
  #wake: () => void = () => {};

  /** Handles a receiver's reply. */
  onReply(reply: 'ready' | 'received' | 'refused', participantId: string): void {
    if (reply === 'ready') this.#ready.add(participantId);
    else this.#ended.set(participantId, reply);
    this.#wake();
  }

  #onProgress(message: MetadataMessage): void {
    const { file, bytes } = progressOf(message) ?? {};
    if (bytes === undefined || file !== this.transfer.id) return;
    this.#progress.set(message.participantId, bytes);
    this.#wake();
  }

  cancel(): void {
    if (this.transfer.end('stopped', 'You cancelled')) this.#send({ type: 'cancel', file: this.transfer.id });
  }

  /** Never rejects; the transfer has the outcome. */
  async run(): Promise<void> {
    const { transfer } = this;
    let unsubscribe: (() => void) | undefined;
    try {
      unsubscribe = await this.room.metadata.subscribe(progressTopic, (message) => this.#onProgress(message));
      await this.#offer();
      await this.#sendPieces();
      await this.#awaitEnd();
    } catch (error) {
      if (!transfer.end('stopped', explain(error))) return;
      this.#send({ type: 'cancel', file: transfer.id });
    } finally {
      unsubscribe?.();
      this.changed();
    }
  }

  async #offer(): Promise<void> {
    const { id: file, name, size } = this.transfer;
    const invited = new Set(this.room.participants.keys());
    if (invited.size === 0) throw new Stop('No one else is in the call');
    await this.room.send(fileMessage({ type: 'offer', file, name, size }));
    const pending = (): boolean =>
      [...invited].some((id) => this.room.participants.has(id) && !this.#ready.has(id) && !this.#ended.has(id));
    await this.#until(() => !pending(), readyWithinMs);
    if (this.#ready.size === 0) throw new Stop(this.#ended.size > 0 ? 'No one accepted it' : 'No one answered');
  }

  async #sendPieces(): Promise<void> {
    const { transfer, file, room } = this;
    if (transfer.over) return;
    transfer.begin();
    for (let offset = 0; offset < file.size && !transfer.over; offset += pieceBytes) {
      await this.#untilInWindow(offset);
      if ([...this.#ready].every((id) => this.#isDone(id))) throw new Stop('No one is receiving it any more');
      // Reads piece by piece, so that the file is never in memory as a whole.
      const bytes = new Uint8Array(await file.slice(offset, offset + pieceBytes).arrayBuffer());
      const sent = await room.metadata.publish(filesTopic, packPiece({ file: transfer.id, offset, bytes }), {
        mode: 'reliable',
      });
      if (!sent) throw new Stop('The connection was lost; send it again');
      transfer.bytes = offset + bytes.length;
      this.changed();
    }
  }

  async #awaitEnd(): Promise<void> {
    await this.#until(() => [...this.#ready].every((id) => this.#isDone(id)), progressWithinMs);
    const received = [...this.#ready].filter((id) => this.#ended.get(id) === 'received').length;
    if (received === 0) throw new Stop('No one received the whole file; send it again');
    const all = this.#ready.size;
    this.transfer.end('done', all === 1 ? 'Received' : `Received by ${received} of ${all}`);
  }

  /** Waits until every receiver is within the window; gives up receivers that miss the deadline. */
  async #untilInWindow(offset: number): Promise<void> {
    const behind = (): string[] =>
      [...this.#ready].filter((id) => !this.#isDone(id) && (this.#progress.get(id) ?? 0) < offset - windowBytes);
    await this.#until(() => behind().length === 0, progressWithinMs);
    if (!this.transfer.over) for (const id of behind()) this.#ended.set(id, 'refused');
  }

  #isDone(participantId: string): boolean {
    return this.#ended.has(participantId) || !this.room.participants.has(participantId);
  }

  async #until(condition: () => boolean, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!condition() && performance.now() < deadline && !this.transfer.over && this.room.state !== 'closed')
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, pollMs);
      });
  }

  #send(message: FileMessage): void {
    // On failure the receivers' idle deadline ends the transfer.
    this.room.send(fileMessage(message)).catch(() => undefined);
  }
}

function progressOf(message: MetadataMessage): Progress | undefined {
  try {
    return parseProgress(message.json());
  } catch {
    return undefined;
  }
}

/** Ends a transfer with a message for the user. */
class Stop extends Error {}

function explain(error: unknown): string {
  if (error instanceof Stop) return error.message;
  if (error instanceof DOMException) return 'The file could not be read; it may have been moved, or is a folder';
  const { message, code } = FlotillaError.from(error);
  return `The file could not be sent: ${message} (${code})`;
}

export const tooLarge = (size: number, most: number): string =>
  `The file has ${megabytes(size)}, the limit is ${megabytes(most)}. Make it smaller, or share a link to it`;
