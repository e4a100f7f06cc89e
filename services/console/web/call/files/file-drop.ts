import type { Room } from '@flotilla/client';
import { type FileMessage, fileMessage, maxFileBytes, parseFileMessage, sanitizeFileName } from './file-messages.ts';
import { FileReceiver } from './file-receiver.ts';
import { FileSender, tooLarge } from './file-sender.ts';
import { Transfer } from './transfer.ts';

/** Files in the send queue. */
const maxQueued = 10;
/** Files received at the same time. */
const maxIncoming = 4;
const maxListed = 20;
/** Shortest interval between two notifications of the view. */
const notifyEveryMs = 100;

export interface FileDropHost {
  /** Transfers changed; called at most every 100 ms. */
  readonly changed: () => void;
  /** Announces an event to screen readers. */
  readonly announce: (text: string) => void;
}

/** Sends files to everyone in the call, one at a time, and receives files from others. */
export class FileDrop {
  /** In the order in which they were added. */
  readonly #transfers: Transfer[] = [];
  readonly #queue: FileSender[] = [];
  readonly #receiver: FileReceiver;
  readonly #stops: (() => void)[];
  #sending: FileSender | undefined;
  #notifying: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly room: Room,
    private readonly host: FileDropHost,
  ) {
    this.#receiver = new FileReceiver(
      room,
      () => this.#changed(),
      ({ name, from, note }) => host.announce(`${name} from ${from}: ${note || 'ready to download'}`),
    );
    this.#stops = [
      room.on('message', (data, participantId) => {
        const message = participantId === room.me.id ? undefined : parseFileMessage(data);
        if (message) this.#onMessage(message, participantId);
      }),
      room.on('participantLeft', ({ id, name }) => this.#receiver.stoppedBy(id, `${name} left the call`)),
    ];
  }

  get transfers(): readonly Transfer[] {
    return this.#transfers;
  }

  send(files: readonly File[]): void {
    for (const file of files) {
      const number = crypto.getRandomValues(new Uint32Array(1))[0]! || 1;
      const transfer = new Transfer(number, sanitizeFileName(file.name), file.size, undefined);
      this.#list(transfer);
      if (file.size > maxFileBytes) transfer.end('stopped', tooLarge(file.size, maxFileBytes));
      else if (file.size === 0) transfer.end('stopped', 'The file is empty, or a folder');
      else if (this.#queue.length >= maxQueued) transfer.end('stopped', 'Too many files at once; send it later');
      else this.#queue.push(new FileSender(this.room, file, transfer, () => this.#changed()));
    }
    if (!this.#sending) void this.#sendNext();
    this.#changed();
  }

  async #sendNext(): Promise<void> {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      this.#sending = next;
      if (!next.transfer.over) await next.run();
      this.host.announce(`${next.transfer.name}: ${next.transfer.note}`);
    }
    this.#sending = undefined;
  }

  #onMessage(message: FileMessage, participantId: string): void {
    const { type, file } = message;
    if (type === 'offer') return this.#onOffer(message, participantId);
    if (type === 'cancel') return this.#receiver.stoppedBy(participantId, 'The sender cancelled', file);
    if (message.to === this.room.me.id && this.#sending?.transfer.id === file)
      this.#sending.onReply(type, participantId);
    return undefined;
  }

  #onOffer({ file, name, size }: FileMessage & { type: 'offer' }, participantId: string): void {
    const from = this.room.participants.get(participantId)?.name ?? 'A participant';
    // A sender offers the next file only after the previous one has ended.
    this.#receiver.stoppedBy(participantId, 'The sender cancelled');
    const transfer = new Transfer(file, name, size, from);
    if (size > maxFileBytes) transfer.end('stopped', tooLarge(size, maxFileBytes));
    if (this.#receiver.size >= maxIncoming) transfer.end('stopped', 'Too many files at once; ask for it later');
    this.#list(transfer);
    this.host.announce(`${from} sends ${name}`);
    this.#changed();
    if (!transfer.over) void this.#receiver.accept(participantId, transfer);
    else this.room.send(fileMessage({ type: 'refused', file, to: participantId })).catch(() => undefined);
  }

  /** Cancels a transfer in either direction. */
  cancel(transfer: Transfer): void {
    const sender = [this.#sending, ...this.#queue].find((each) => each?.transfer === transfer);
    if (sender) sender.cancel();
    else this.#receiver.stop(transfer, 'You cancelled');
    this.#changed();
  }

  /** Removes an ended transfer from the list and frees its data. */
  dismiss(transfer: Transfer): void {
    const index = this.#transfers.indexOf(transfer);
    if (index < 0 || !transfer.over) return;
    this.#transfers.splice(index, 1);
    if (transfer.url !== undefined) URL.revokeObjectURL(transfer.url);
    this.#changed();
  }

  #list(transfer: Transfer): void {
    this.#transfers.push(transfer);
    // Transfers that can still be downloaded are dismissed last.
    const old = this.#transfers.find(({ over, url }) => over && url === undefined) ?? this.#transfers[0]!;
    if (this.#transfers.length > maxListed) this.dismiss(old);
  }

  #changed(): void {
    this.#notifying ??= setTimeout(() => {
      this.#notifying = undefined;
      this.host.changed();
    }, notifyEveryMs);
  }

  /** Cancels all transfers and frees received files when the call has ended. */
  close(): void {
    for (const stop of this.#stops) stop();
    clearTimeout(this.#notifying);
    for (const sender of [this.#sending, ...this.#queue]) sender?.cancel();
    this.#receiver.close();
    for (const { url } of this.#transfers) if (url !== undefined) URL.revokeObjectURL(url);
  }
}
