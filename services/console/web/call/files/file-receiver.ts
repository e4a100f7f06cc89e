import type { MetadataMessage, Room } from '@flotilla/client';
import {
  type FileMessage,
  fileMessage,
  filesTopic,
  parsePiece,
  type Progress,
  progressTopic,
} from './file-messages.ts';
import type { Transfer } from './transfer.ts';

/** A transfer fails when no piece arrives for this long. */
const idleMs = 30_000;
const checkEveryMs = 1000;

interface Incoming {
  readonly transfer: Transfer;
  /** Blobs: the browser may move them to disk. */
  readonly parts: Blob[];
  activeAt: number;
}

/** Receives files, one per sender at a time. Subscribes only while a transfer is active. */
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

  /** Active transfers. */
  get size(): number {
    return this.#incoming.size;
  }

  has(participantId: string): boolean {
    return this.#incoming.has(participantId);
  }

  /** Subscribes and notifies the sender that it can start. */
  async accept(participantId: string, transfer: Transfer): Promise<void> {
    const incoming: Incoming = { transfer, parts: [], activeAt: performance.now() };
    this.#incoming.set(participantId, incoming);
    this.#timer ??= setInterval(() => this.#checkIdle(), checkEveryMs);
    try {
      const { metadata } = this.room;
      await (this.#subscribed ??= metadata.subscribe(filesTopic, (message) => this.#onPiece(message), {
        onLost: ({ participantId: from }) => this.#onLost(from),
      }));
      // Fails without the grant to publish, which the progress needs.
      await this.#sendProgress({ file: transfer.id, bytes: 0 });
      if (this.#isCurrent(participantId, incoming))
        this.#reply({ type: 'ready', file: transfer.id, to: participantId });
    } catch {
      if (this.#isCurrent(participantId, incoming))
        this.#stop(participantId, 'The metadata relay, which carries files, cannot be used');
    }
  }

  /** False once the transfer was stopped, and perhaps followed by another of the same sender. */
  #isCurrent(participantId: string, incoming: Incoming): boolean {
    return this.#incoming.get(participantId) === incoming;
  }

  #onPiece({ participantId, bytes: message }: MetadataMessage): void {
    const incoming = this.#incoming.get(participantId);
    const piece = parsePiece(message);
    // Pieces of a stopped transfer may still arrive.
    if (!incoming || !piece || piece.file !== incoming.transfer.id) return;
    const { transfer, parts } = incoming;
    if (piece.offset !== transfer.bytes) return this.#onLost(participantId);
    if (transfer.bytes + piece.bytes.length > transfer.size)
      return this.#stop(participantId, 'The file is larger than announced');
    if (transfer.bytes === 0) transfer.begin();
    incoming.activeAt = performance.now();
    // Copies the bytes: the SDK reuses the buffer of the message after this callback.
    parts.push(new Blob([piece.bytes]));
    transfer.bytes += piece.bytes.length;
    // On failure the sender's deadline ends the transfer.
    this.#sendProgress({ file: transfer.id, bytes: transfer.bytes }).catch(() => undefined);
    if (transfer.bytes === transfer.size) this.#finish(participantId, incoming);
    this.changed();
  }

  #finish(participantId: string, { transfer, parts }: Incoming): void {
    // A neutral type: the browser must not open the file as a page of this origin.
    transfer.url = URL.createObjectURL(new Blob(parts, { type: 'application/octet-stream' }));
    transfer.end('done', '');
    this.#end(participantId);
    this.#reply({ type: 'received', file: transfer.id, to: participantId });
  }

  #onLost(participantId: string): void {
    const incoming = this.#incoming.get(participantId);
    // Before the first piece, the loss concerns other messages of the topic.
    if (incoming && incoming.transfer.bytes > 0)
      this.#stop(participantId, 'Parts of the file were lost; ask for it again');
  }

  #checkIdle(): void {
    for (const [participantId, { activeAt }] of this.#incoming)
      if (performance.now() - activeAt > idleMs) this.#stop(participantId, 'The transfer stalled; ask for it again');
  }

  /** Stops a transfer on this side and notifies the sender. */
  stop(transfer: Transfer, why: string): void {
    for (const [participantId, incoming] of this.#incoming)
      if (incoming.transfer === transfer) this.#stop(participantId, why);
  }

  #stop(participantId: string, why: string): void {
    const { transfer } = this.#incoming.get(participantId) ?? {};
    if (!transfer?.end('stopped', why)) return;
    this.#reply({ type: 'refused', file: transfer.id, to: participantId });
    this.#end(participantId);
    this.changed();
  }

  /** Ends a transfer that its sender stopped, or whose sender left. */
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

  #sendProgress(progress: Progress): Promise<boolean> {
    return this.room.metadata.publish(progressTopic, progress, { mode: 'reliable' });
  }

  #reply(message: FileMessage): void {
    // On failure the sender's deadline ends the transfer.
    this.room.send(fileMessage(message)).catch(() => undefined);
  }

  close(): void {
    for (const participantId of this.#incoming.keys()) this.stoppedBy(participantId, 'The call has ended');
  }
}
