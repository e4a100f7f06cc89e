import type { Room } from '@flotilla/client';
import { type FileMessage, fileMessage, maxFileBytes, parseFileMessage, tidyFileName } from './file-messages.ts';
import { FileReceiver } from './file-receiver.ts';
import { FileSender, tooLarge } from './file-sender.ts';
import { Transfer } from './transfer.ts';

/** Files that wait to be sent, that come at the same time, and that are listed. */
const maxWaiting = 10;
const maxIncoming = 4;
const maxListed = 20;
const drawEveryMs = 100;

export interface FileDropHost {
  /** Transfers changed; ten times a second at most. */
  readonly changed: () => void;
  /** Something that a person who does not look should hear of. */
  readonly say: (text: string) => void;
}

/** Files that are sent to everybody in the call, one after the other, and those that come from others. */
export class FileDrop {
  /** The newest last. */
  readonly #transfers: Transfer[] = [];
  readonly #waiting: FileSender[] = [];
  readonly #receiver: FileReceiver;
  readonly #stops: (() => void)[];
  #sending: FileSender | undefined;
  #drawing: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly room: Room,
    private readonly host: FileDropHost,
  ) {
    this.#receiver = new FileReceiver(
      room,
      () => this.#changed(),
      ({ name, from, note }) => host.say(`${name} from ${from}: ${note || 'ready to download'}`),
    );
    this.#stops = [
      room.on('message', (data, participantId) => {
        const message = participantId === room.me.id ? undefined : parseFileMessage(data);
        if (message) this.#hear(message, participantId);
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
      const transfer = new Transfer(number, tidyFileName(file.name), file.size, undefined);
      this.#list(transfer);
      if (file.size > maxFileBytes) transfer.end('stopped', tooLarge(file.size, maxFileBytes));
      else if (file.size === 0) transfer.end('stopped', 'It is empty, or a folder');
      else if (this.#waiting.length >= maxWaiting) transfer.end('stopped', 'Too many at once; send it later');
      else this.#waiting.push(new FileSender(this.room, file, transfer, () => this.#changed()));
    }
    if (!this.#sending) void this.#sendNext();
    this.#changed();
  }

  async #sendNext(): Promise<void> {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      this.#sending = next;
      if (!next.transfer.over) await next.run();
      this.host.say(`${next.transfer.name}: ${next.transfer.note}`);
    }
    this.#sending = undefined;
  }

  #hear(message: FileMessage, participantId: string): void {
    const { say, file } = message;
    if (say === 'offer') return this.#onOffer(message, participantId);
    if (say === 'cancel') return this.#receiver.stoppedBy(participantId, 'The sender stopped it', file);
    if (message.to === this.room.me.id && this.#sending?.transfer.id === file) this.#sending.hear(say, participantId);
    return undefined;
  }

  #onOffer({ file, name, size }: FileMessage & { say: 'offer' }, participantId: string): void {
    const from = this.room.participants.get(participantId)?.name ?? 'Somebody';
    // Who sends one after the other begins the next only when the former is over.
    this.#receiver.stoppedBy(participantId, 'The sender stopped it');
    const transfer = new Transfer(file, name, size, from);
    if (size > maxFileBytes) transfer.end('stopped', tooLarge(size, maxFileBytes));
    if (this.#receiver.size >= maxIncoming) transfer.end('stopped', 'Too many come at once; ask for it later');
    this.#list(transfer);
    this.host.say(`${from} sends ${name}`);
    this.#changed();
    if (transfer.over) this.room.send(fileMessage({ say: 'refused', file, to: participantId })).catch(() => undefined);
    else void this.#receiver.take(participantId, transfer);
  }

  /** Stops it, on whichever side. */
  cancel(transfer: Transfer): void {
    const sender = [this.#sending, ...this.#waiting].find((each) => each?.transfer === transfer);
    if (sender) sender.cancel();
    else this.#receiver.stop(transfer, 'You stopped it');
    this.#changed();
  }

  /** Lists it no more, and forgets its bytes. */
  dismiss(transfer: Transfer): void {
    const index = this.#transfers.indexOf(transfer);
    if (index < 0 || !transfer.over) return;
    this.#transfers.splice(index, 1);
    if (transfer.url !== undefined) URL.revokeObjectURL(transfer.url);
    this.#changed();
  }

  #list(transfer: Transfer): void {
    this.#transfers.push(transfer);
    // What can still be had goes last.
    const old = this.#transfers.find(({ over, url }) => over && url === undefined) ?? this.#transfers[0]!;
    if (this.#transfers.length > maxListed) this.dismiss(old);
  }

  #changed(): void {
    this.#drawing ??= setTimeout(() => {
      this.#drawing = undefined;
      this.host.changed();
    }, drawEveryMs);
  }

  /** The call is over. What was received goes with it. */
  close(): void {
    for (const stop of this.#stops) stop();
    clearTimeout(this.#drawing);
    for (const sender of [this.#sending, ...this.#waiting]) sender?.cancel();
    this.#receiver.close();
    for (const { url } of this.#transfers) if (url !== undefined) URL.revokeObjectURL(url);
  }
}
