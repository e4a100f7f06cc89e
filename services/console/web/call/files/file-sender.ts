import { FlotillaError, type MetadataMessage, type Room } from '@flotilla/client';
import {
  type FileMessage,
  fileMessage,
  filesTopic,
  megabytes,
  packPiece,
  parseTaken,
  pieceBytes,
  takenTopic,
  windowBytes,
} from './file-messages.ts';
import type { Transfer } from './transfer.ts';

/** The others are given this long to say that they take it, and then that they have more of it. */
const readyWithinMs = 5000;
const moreWithinMs = 30_000;
const lookEveryMs = 50;

/** Sends one file to those who are in the room. */
export class FileSender {
  readonly #ready = new Set<string>();
  readonly #taken = new Map<string, number>();
  readonly #answered = new Map<string, 'got' | 'refused'>();

  constructor(
    private readonly room: Room,
    private readonly file: File,
    /** Its id is the file's number. */
    readonly transfer: Transfer,
    private readonly changed: () => void,
  ) {}

  /** Something was heard that is waited for. */
  #wake: () => void = () => {};

  /** Something that somebody else said about it. */
  hear(say: 'ready' | 'got' | 'refused', participantId: string): void {
    if (say === 'ready') this.#ready.add(participantId);
    else this.#answered.set(participantId, say);
    this.#wake();
  }

  #hearTaken(message: MetadataMessage): void {
    const { file, bytes } = parsedTaken(message) ?? {};
    if (bytes === undefined || file !== this.transfer.id) return;
    this.#taken.set(message.participantId, bytes);
    this.#wake();
  }

  cancel(): void {
    if (this.transfer.end('stopped', 'You stopped it')) this.#say({ say: 'cancel', file: this.transfer.id });
  }

  /** Never rejects: how it ended is in the transfer. */
  async run(): Promise<void> {
    const { transfer } = this;
    let unsubscribe: (() => void) | undefined;
    try {
      unsubscribe = await this.room.metadata.subscribe(takenTopic, (message) => this.#hearTaken(message));
      await this.#offer();
      await this.#send();
      await this.#awaitEnd();
    } catch (error) {
      if (!transfer.end('stopped', explain(error))) return;
      this.#say({ say: 'cancel', file: transfer.id });
    } finally {
      unsubscribe?.();
      this.changed();
    }
  }

  async #offer(): Promise<void> {
    const { id: file, name, size } = this.transfer;
    const asked = new Set(this.room.participants.keys());
    if (asked.size === 0) throw new Stop('Nobody else is here to take it');
    await this.room.send(fileMessage({ say: 'offer', file, name, size }));
    const missing = (): boolean =>
      [...asked].some((id) => this.room.participants.has(id) && !this.#ready.has(id) && !this.#answered.has(id));
    await this.#until(() => !missing(), readyWithinMs);
    if (this.#ready.size === 0) throw new Stop(this.#answered.size > 0 ? 'Nobody takes it' : 'Nobody answered');
  }

  async #send(): Promise<void> {
    const { transfer, file, room } = this;
    if (transfer.over) return;
    transfer.begin();
    for (let offset = 0; offset < file.size && !transfer.over; offset += pieceBytes) {
      await this.#untilNear(offset);
      if ([...this.#ready].every((id) => this.#isDone(id))) throw new Stop('Nobody takes it any more');
      // Piece by piece: the file is nowhere in memory as a whole.
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
    await this.#until(() => [...this.#ready].every((id) => this.#isDone(id)), moreWithinMs);
    const got = [...this.#ready].filter((id) => this.#answered.get(id) === 'got').length;
    if (got === 0) throw new Stop('Nobody got all of it; send it again');
    const all = this.#ready.size;
    this.transfer.end('done', all === 1 ? 'It arrived' : `It arrived with ${got} of ${all}`);
  }

  /** Waits until nobody is farther behind than the window, and gives up those who do not come on. */
  async #untilNear(offset: number): Promise<void> {
    const behind = (): string[] =>
      [...this.#ready].filter((id) => !this.#isDone(id) && (this.#taken.get(id) ?? 0) < offset - windowBytes);
    await this.#until(() => behind().length === 0, moreWithinMs);
    if (!this.transfer.over) for (const id of behind()) this.#answered.set(id, 'refused');
  }

  #isDone(participantId: string): boolean {
    return this.#answered.has(participantId) || !this.room.participants.has(participantId);
  }

  async #until(condition: () => boolean, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!condition() && performance.now() < deadline && !this.transfer.over && this.room.state !== 'closed')
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, lookEveryMs);
      });
  }

  #say(message: FileMessage): void {
    // Whoever does not hear it finds that nothing comes any more.
    this.room.send(fileMessage(message)).catch(() => undefined);
  }
}

function parsedTaken(message: MetadataMessage) {
  try {
    return parseTaken(message.json());
  } catch {
    return undefined;
  }
}

/** An end that is told in words. */
class Stop extends Error {}

function explain(error: unknown): string {
  if (error instanceof Stop) return error.message;
  if (error instanceof DOMException) return 'The file can’t be read; it may have been moved, or is a folder';
  const { message, code } = FlotillaError.from(error);
  return `It can’t be sent: ${message} (${code})`;
}

export const tooLarge = (size: number, most: number): string =>
  `It has ${megabytes(size)}; up to ${megabytes(most)} can be sent. Make it smaller, or share a link to it`;
