import type { RelayStamp, Shard } from '../generated/metadata_pb.ts';
import { Collector, infoOf, type MessageInfo, type MessageSink, openingCost, OpenMessage } from './open-message.ts';

/**
 * Why a shard is refused:
 * - `stale`: its message was delivered or given up, or came before the order began
 * - `duplicate`: this shard is there already
 * - `contradiction`: it says another total, size or time than those of its message before it
 * - `too-large`: its message is longer than one may be, and nobody takes it shard by shard
 * - `jump`: its sequence id lies so far ahead that one shard alone is not believed
 */
export type Refusal = 'stale' | 'duplicate' | 'contradiction' | 'too-large' | 'jump';

/**
 * Why messages are given up: a hole was not filled in time; the window moved on (`window`, or `memory` when it held too
 * many bytes); the relay said so (`notice`); the sequence jumped; nobody wanted to take a long message (`unwanted`).
 */
export type LossReason = 'deadline' | 'window' | 'memory' | 'notice' | 'jump' | 'unwanted';

/** Messages that will not be delivered, both ends included. */
export interface Loss {
  readonly fromSeqId: number;
  readonly toSeqId: number;
  readonly reason: LossReason;
}

export interface ReassemblerOptions {
  /** Milliseconds of a clock that never goes back. */
  now: () => number;
  /** A message, whole. One that came in a single shard is a view of what was decoded: copy what is to be kept. */
  deliver: (message: Uint8Array, info: MessageInfo) => void;
  /** Takes messages longer than `maxMessageBytes` shard by shard. Without it, or where it gives undefined, they are not taken. */
  stream?: (info: MessageInfo) => MessageSink | undefined;
  lost?: (loss: Loss) => void;
  /** Messages between the one whose turn it is and the newest. Default 64. */
  windowMessages?: number;
  /** Bytes that may wait for their turn, with what it costs to keep them. Default 1 MiB. */
  windowBytes?: number;
  /** Longest message that is delivered whole. Default 256 KiB. */
  maxMessageBytes?: number;
  /** How long a hole may hold up what came after it. Default 500 ms. */
  holeTimeoutMs?: number;
  /** The same for a hole among what is sent once: what is missing is lost, or was overtaken. Default 20 ms. */
  reorderMs?: number;
  /** How long a message may rest half sent that holds up nothing. Default `holeTimeoutMs`. */
  restMs?: number;
  /** A sequence id this far ahead is believed only when the one after it follows (RFC 3550, appendix A.1). Default 4,096. */
  maxJump?: number;
}

/** Loss notices that may be ahead of the messages they tell of. */
const maxNotices = 64;

/**
 * Puts the messages of one publisher on one topic together and in order. It holds at most `windowBytes` of what waits and
 * the message whose turn it is, for the order and for a retained copy. It sets no timer: call `expire` at `deadline`.
 *
 * The order begins with the first shard that comes. Copies that the relay retained from before are delivered as soon as
 * they are complete. Callbacks must not throw, and not call back.
 */
export class Reassembler {
  readonly #options: Required<Omit<ReassemblerOptions, 'stream'>> & Pick<ReassemblerOptions, 'stream'>;
  /** By sequence id, in the order they were opened. */
  readonly #open = new Map<number, OpenMessage>();
  #notices: { from: number; to: number }[] = [];
  /** Where the order began. */
  #base: number | undefined;
  /** Whose turn it is. */
  #next = 0;
  #jumpedTo: number | undefined;
  /** From which sequence id on all shards that came were sent once; infinity when the newest was not. */
  #onceFrom = Number.POSITIVE_INFINITY;
  #bytes = 0;
  #deadline = Number.POSITIVE_INFINITY;
  #retained: Reassembler | undefined;
  /** Shards that were refused. */
  readonly refused: Record<Refusal, number> = { stale: 0, duplicate: 0, contradiction: 0, 'too-large': 0, jump: 0 };

  constructor(options: ReassemblerOptions) {
    this.#options = {
      lost: () => {},
      windowMessages: 64,
      windowBytes: 1024 * 1024,
      maxMessageBytes: 256 * 1024,
      holeTimeoutMs: 500,
      reorderMs: 20,
      maxJump: 4096,
      restMs: options.holeTimeoutMs ?? 500,
      ...options,
    };
  }

  /** When `expire` has something to do, by the clock of the options; infinity while nothing waits. */
  get deadline(): number {
    return Math.min(this.#deadline, this.#retained?.deadline ?? Number.POSITIVE_INFINITY);
  }

  /** Bytes held now, with what it costs to keep them. */
  get heldBytes(): number {
    const inTurn = this.#open.get(this.#next)?.info.size ?? 0;
    const collected = inTurn <= this.#options.maxMessageBytes ? inTurn : 0;
    return this.#bytes + collected + (this.#retained?.heldBytes ?? 0);
  }

  /**
   * Takes a shard that was decoded. One that is refused is counted and changes nothing. `once`: it came over a channel that
   * sends nothing again.
   */
  accept(shard: Shard, stamp?: RelayStamp, once = false): Refusal | undefined {
    const early = stamp?.retained && (this.#base === undefined || shard.seqId < this.#base);
    const refusal = early ? this.#copies().#take(shard, stamp, false) : this.#take(shard, stamp, once);
    if (refusal) this.refused[refusal]++;
    return refusal;
  }

  /** The relay's word that messages do not come, both ends included. */
  skip(fromSeqId: number, toSeqId: number): void {
    if (this.#base === undefined || toSeqId < this.#next) return;
    // When there are too many, the deadline finds the hole.
    if (this.#notices.length < maxNotices) this.#notices.push({ from: fromSeqId, to: toSeqId });
    this.#advance();
  }

  /** Gives up what is past its deadline. */
  expire(): void {
    const now = this.#options.now();
    while (this.#deadline <= now) {
      this.#giveUpHole('deadline');
      this.#advance();
    }
    this.#retained?.expire();
  }

  /** The publisher is gone: gives up what is open. */
  close(): void {
    const open = [...this.#open.values()];
    this.#open.clear();
    this.#bytes = 0;
    this.#deadline = Number.POSITIVE_INFINITY;
    for (const message of open) message.sink?.abort();
    this.#retained?.close();
    this.#retained = undefined;
  }

  /** For retained copies from before the order began: a window of its own, which the next copy pushes on. */
  #copies(): Reassembler {
    const alone = { windowMessages: 1, maxJump: Number.POSITIVE_INFINITY, lost: () => {} };
    return (this.#retained ??= new Reassembler({ ...this.#options, ...alone }));
  }

  #take(shard: Shard, stamp: RelayStamp | undefined, once: boolean): Refusal | undefined {
    const { seqId, size, total } = shard;
    const { maxMessageBytes, stream, deliver } = this.#options;
    if (this.#open.size > 0) this.expire();
    // Before the order begins, what was delivered as a retained copy is too late.
    const earliest = this.#base === undefined ? (this.#retained ? this.#retained.#next : 0) : this.#next;
    if (seqId < earliest) return 'stale';
    if (size > maxMessageBytes && !stream) return 'too-large';
    if (this.#base === undefined) this.#begin(seqId);
    if (once) this.#onceFrom = Math.min(this.#onceFrom, seqId);
    else if (seqId >= this.#onceFrom) this.#onceFrom = Number.POSITIVE_INFINITY;
    if (this.#open.size > 0 || seqId !== this.#next || total > 1 || size > maxMessageBytes)
      return this.#place(shard, stamp);
    this.#next++;
    deliver(shard.payload, infoOf(shard, stamp));
    if (this.#notices.length > 0) this.#advance();
    return undefined;
  }

  #begin(seqId: number): void {
    this.#base = this.#next = seqId;
    // A copy that is not whole yet and whose message now comes itself.
    if (this.#retained && this.#retained.#open.size > 0 && this.#retained.#next >= seqId) this.#retained.close();
  }

  #place(shard: Shard, stamp: RelayStamp | undefined): Refusal | undefined {
    const { seqId } = shard;
    const open = this.#open.get(seqId);
    if (open && !open.agrees(shard)) return 'contradiction';
    if (open?.has(shard)) return 'duplicate';
    if (!this.#believes(seqId)) return 'jump';
    this.#giveUpBelow(seqId - this.#options.windowMessages + 1, 'window');
    this.#makeRoom(open ? open.costOf(shard) : openingCost(shard));
    // Its own message may be what had to go.
    if (seqId < this.#next) return 'stale';
    this.#store(shard, stamp);
    this.#advance();
    return undefined;
  }

  /** False for a sequence id far ahead, until the one after it comes. */
  #believes(seqId: number): boolean {
    if (seqId - this.#next < this.#options.maxJump) return true;
    const follows = this.#jumpedTo === seqId - 1;
    this.#jumpedTo = follows ? undefined : seqId;
    if (follows) this.#giveUpBelow(seqId, 'jump');
    return follows;
  }

  #makeRoom(bytes: number): void {
    if (bytes === 0) return;
    while (this.#bytes + bytes > this.#options.windowBytes && this.#open.size > 0) {
      this.#giveUpHole('memory');
      this.#advance();
    }
  }

  #store(shard: Shard, stamp: RelayStamp | undefined): void {
    const now = this.#options.now();
    let message = this.#open.get(shard.seqId);
    if (!message) {
      message = new OpenMessage(shard, stamp, now);
      this.#open.set(shard.seqId, message);
      this.#bytes += message.bytes;
    }
    this.#bytes += message.add(shard, now);
  }

  /** Hands on what has its turn. */
  #advance(): void {
    while (this.#step());
    if (this.#notices.length > 0) this.#notices = this.#notices.filter(({ to }) => to >= this.#next);
    this.#deadline = this.#nextDeadline();
  }

  /** Does one thing about the message whose turn it is; false when there is nothing to do. */
  #step(): boolean {
    const head = this.#open.get(this.#next);
    if (head) {
      const sink = head.sink ?? this.#sinkFor(head.info);
      if (!sink) {
        this.#giveUpHole('unwanted');
        return true;
      }
      this.#bytes += head.flush(sink);
      if (head.complete) {
        this.#remove(head);
        this.#next++;
        sink.end();
        return true;
      }
    }
    const notice = this.#notices.find(({ from, to }) => from <= this.#next && to >= this.#next);
    if (notice) this.#giveUpHole('notice', notice.to + 1);
    return notice !== undefined;
  }

  #sinkFor(info: MessageInfo): MessageSink | undefined {
    const { deliver, maxMessageBytes, stream } = this.#options;
    if (info.size > maxMessageBytes) return stream?.(info);
    return new Collector(info.size, (message) => deliver(message, info));
  }

  #remove(message: OpenMessage): void {
    this.#open.delete(message.info.seqId);
    this.#bytes -= message.bytes;
  }

  /** Gives up the message whose turn it is, or where nothing of it came, all up to the first of which something did. */
  #giveUpHole(reason: LossReason, limit = Number.POSITIVE_INFINITY): void {
    const head = this.#open.get(this.#next);
    if (head) this.#remove(head);
    const from = this.#next;
    this.#next = head ? from + 1 : Math.min(limit, ...this.#open.keys());
    head?.sink?.abort();
    this.#options.lost({ fromSeqId: from, toSeqId: this.#next - 1, reason });
  }

  #giveUpBelow(seqId: number, reason: LossReason): void {
    while (this.#next < seqId) {
      this.#giveUpHole(reason, seqId);
      this.#advance();
    }
  }

  #nextDeadline(): number {
    const { holeTimeoutMs, reorderMs, restMs } = this.#options;
    const head = this.#open.get(this.#next);
    const heldUp = this.#oldestBeside(head);
    if (!heldUp) return head ? head.movedAt + restMs : Number.POSITIVE_INFINITY;
    // What is sent once and overtaken does not come, but for a little disorder on the way.
    const patienceMs = this.#next >= this.#onceFrom ? reorderMs : holeTimeoutMs;
    return Math.max(heldUp.openedAt, head?.movedAt ?? 0) + patienceMs;
  }

  #oldestBeside(head: OpenMessage | undefined): OpenMessage | undefined {
    for (const message of this.#open.values()) if (message !== head) return message;
    return undefined;
  }
}
