import type { MetadataMessage, Room } from '@flotilla/client';
import { type FileMessage, fileMessage, filesTopic, parsePiece, type Taken, takenTopic } from './file-messages.ts';
import type { Transfer } from './transfer.ts';

/** A file of which nothing came for so long does not come. */
const idleMs = 30_000;
const lookEveryMs = 1000;

interface Incoming {
  readonly transfer: Transfer;
  /** Kept by the browser, which may put them on disk. */
  readonly parts: Blob[];
  heardAt: number;
}

/** Receives files, one of each sender at a time. It is subscribed only while some are on their way. */
export class FileReceiver {
  /** By sender. */
  readonly #incoming = new Map<string, Incoming>();
  #subscribed: Promise<() => void> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly room: Room,
    private readonly changed: () => void,
    private readonly ended: (transfer: Transfer) => void,
  ) {}

  /** How many are on their way. */
  get size(): number {
    return this.#incoming.size;
  }

  has(participantId: string): boolean {
    return this.#incoming.has(participantId);
  }

  /** Tells the sender when it can begin. */
  async take(participantId: string, transfer: Transfer): Promise<void> {
    const incoming = { transfer, parts: [], heardAt: performance.now() };
    this.#incoming.set(participantId, incoming);
    this.#timer ??= setInterval(() => this.#look(), lookEveryMs);
    try {
      const { metadata } = this.room;
      await (this.#subscribed ??= metadata.subscribe(filesTopic, (message) => this.#onPiece(message), {
        onLost: ({ participantId: from }) => this.#onLost(from),
      }));
      // Who may not publish can't say how far they are.
      await this.#tell({ file: transfer.id, bytes: 0 });
      this.#say({ say: 'ready', file: transfer.id, to: participantId });
    } catch {
      this.#stop(participantId, 'The relay that brings files can’t be used');
    }
  }

  #onPiece({ participantId, bytes: message }: MetadataMessage): void {
    const incoming = this.#incoming.get(participantId);
    const piece = parsePiece(message);
    // What is on its way of a file that was stopped.
    if (!incoming || !piece || piece.file !== incoming.transfer.id) return;
    const { transfer, parts } = incoming;
    if (piece.offset !== transfer.bytes) return this.#onLost(participantId);
    if (transfer.bytes + piece.bytes.length > transfer.size)
      return this.#stop(participantId, 'More came than was announced');
    if (transfer.bytes === 0) transfer.begin();
    incoming.heardAt = performance.now();
    // The message is ours only for now: this is the only copy.
    parts.push(new Blob([piece.bytes]));
    transfer.bytes += piece.bytes.length;
    // Who sends has a deadline.
    this.#tell({ file: transfer.id, bytes: transfer.bytes }).catch(() => undefined);
    if (transfer.bytes === transfer.size) this.#finish(participantId, incoming);
    this.changed();
  }

  #finish(participantId: string, { transfer, parts }: Incoming): void {
    // Without its type: no browser shall open it as a page of ours.
    transfer.url = URL.createObjectURL(new Blob(parts, { type: 'application/octet-stream' }));
    transfer.end('done', '');
    this.#end(participantId);
    this.#say({ say: 'got', file: transfer.id, to: participantId });
  }

  #onLost(participantId: string): void {
    const incoming = this.#incoming.get(participantId);
    // Before its first piece it is about something else.
    if (incoming && incoming.transfer.bytes > 0)
      this.#stop(participantId, 'Parts of it were lost on the way; ask for it again');
  }

  #look(): void {
    for (const [participantId, { heardAt }] of this.#incoming)
      if (performance.now() - heardAt > idleMs)
        this.#stop(participantId, 'Nothing of it came any more; ask for it again');
  }

  /** The one who takes it wants no more of it, or can't have it. */
  stop(transfer: Transfer, why: string): void {
    for (const [participantId, incoming] of this.#incoming)
      if (incoming.transfer === transfer) this.#stop(participantId, why);
  }

  #stop(participantId: string, why: string): void {
    const { transfer } = this.#incoming.get(participantId) ?? {};
    if (!transfer?.end('stopped', why)) return;
    this.#say({ say: 'refused', file: transfer.id, to: participantId });
    this.#end(participantId);
    this.changed();
  }

  /** The one who sends it stopped, or is gone. */
  stoppedBy(participantId: string, why: string, file?: number): void {
    const { transfer } = this.#incoming.get(participantId) ?? {};
    if (!transfer || (file !== undefined && transfer.id !== file)) return;
    transfer.end('stopped', why);
    this.#end(participantId);
    this.changed();
  }

  #end(participantId: string): void {
    this.ended(this.#incoming.get(participantId)!.transfer);
    this.#incoming.delete(participantId);
    if (this.#incoming.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#subscribed?.then((unsubscribe) => unsubscribe()).catch(() => undefined);
    this.#subscribed = undefined;
  }

  #tell(taken: Taken): Promise<boolean> {
    return this.room.metadata.publish(takenTopic, taken, { mode: 'reliable' });
  }

  #say(message: FileMessage): void {
    // Who sends has a deadline.
    this.room.send(fileMessage(message)).catch(() => undefined);
  }

  /** The call is over. */
  close(): void {
    for (const participantId of this.#incoming.keys()) this.stoppedBy(participantId, 'The call is over');
  }
}
