import type { RelayStamp, Shard } from '../generated/metadata_pb.ts';
import { Collector, infoOf, type MessageInfo, type MessageSink, openingCost, OpenMessage } from './open-message.ts';

/**
 * Why a shard is refused:
 * - `stale`: its message was delivered or lost, or precedes the first message
 * - `duplicate`: the shard was received already
 * - `contradiction`: its total, size or capture time differs from the message's previous shards
 * - `too-large`: the message is above the maximum size and there is no `stream` callback
 * - `jump`: its sequence id is too far ahead, and has not been confirmed by the next one
 */
export type Refusal = 'stale' | 'duplicate' | 'contradiction' | 'too-large' | 'jump';

/**
 * Why messages are lost: `deadline`: a gap was not filled in time; `window`, `memory`: the window was full of messages or bytes;
 * `notice`: the relay sent a loss notice; `jump`: the sequence ids jumped; `unwanted`: the `stream` callback declined a long message.
 */
export type LossReason = 'deadline' | 'window' | 'memory' | 'notice' | 'jump' | 'unwanted';

/** A range of messages that will not be delivered, both ends included. */
export interface Loss {
  readonly fromSeqId: number;
  readonly toSeqId: number;
  readonly reason: LossReason;
}

export interface ReassemblerOptions {
  /** A monotonic clock, in ms. */
  now: () => number;
  /** Called with each complete message. A message of a single shard is a view of the decoded frame; copy it to keep it. */
  deliver: (message: Uint8Array, info: MessageInfo) => void;
  /** Returns a sink for a message longer than `maxMessageBytes`, or undefined to decline it. Without it such messages are refused. */
  stream?: (info: MessageInfo) => MessageSink | undefined;
  /** Called with each range of lost messages. */
  lost?: (loss: Loss) => void;
  /** Maximum number of messages from the next to deliver to the newest. Default 64. */
  windowMessages?: number;
  /** Maximum memory of buffered shards, in bytes. Default 1 MiB. */
  windowBytes?: number;
  /** Maximum size of a message that is delivered whole, in bytes. Default 256 KiB. */
  maxMessageBytes?: number;
  /** How long a gap blocks the messages after it, in ms. Default 500. */
  gapTimeoutMs?: number;
  /** The same when the messages are not retransmitted, so that a gap is a loss or a reordering, in ms. Default 20. */
  reorderMs?: number;
  /** How long an incomplete message that blocks no other waits for its next shard, in ms. Default `gapTimeoutMs`. */
  idleTimeoutMs?: number;
  /** A sequence id this far ahead is accepted only when the one after it follows (RFC 3550, appendix A.1). Default 4,096. */
  maxJump?: number;
}

/** Maximum number of pending loss notices. */
const maxNotices = 64;

/**
 * Reassembles the messages of one publisher on one topic and delivers them in order. Its memory is bounded by `windowBytes` and one
 * message, once for the sequence and once for a retained message. It has no timer: call `expire` at `deadline`.
 *
 * The sequence starts with the first shard received. Retained messages from before are delivered when complete. Callbacks must not
 * throw and must not call the reassembler.
 */
export class Reassembler {
  readonly #options: Required<Omit<ReassemblerOptions, 'stream'>> & Pick<ReassemblerOptions, 'stream'>;
  /** By sequence id, in the order of their first shards. */
  readonly #open = new Map<number, OpenMessage>();
  #notices: { from: number; to: number }[] = [];
  /** Sequence id at the start of the sequence. */
  #base: number | undefined;
  /** Sequence id of the next message to deliver. */
  #next = 0;
  /** A sequence id far ahead that is not confirmed yet. */
  #jumpedTo: number | undefined;
  /** Sequence id from which on all received shards were sent without retransmission; infinity if the newest was not. */
  #onceFrom = Number.POSITIVE_INFINITY;
  #bytes = 0;
  #deadline = Number.POSITIVE_INFINITY;
  #retained: Reassembler | undefined;
  /** Number of refused shards, by reason. */
  readonly refused: Record<Refusal, number> = { stale: 0, duplicate: 0, contradiction: 0, 'too-large': 0, jump: 0 };

  constructor(options: ReassemblerOptions) {
    this.#options = {
      lost: () => {},
      windowMessages: 64,
      windowBytes: 1024 * 1024,
      maxMessageBytes: 256 * 1024,
      gapTimeoutMs: 500,
      reorderMs: 20,
      maxJump: 4096,
      idleTimeoutMs: options.gapTimeoutMs ?? 500,
      ...options,
    };
  }

  /** When to call `expire`, in ms of the clock of the options; infinity when no message is incomplete. */
  get deadline(): number {
    return Math.min(this.#deadline, this.#retained?.deadline ?? Number.POSITIVE_INFINITY);
  }

  /** Memory in use, in bytes. */
  get heldBytes(): number {
    const inTurn = this.#open.get(this.#next)?.info.size ?? 0;
    const collected = inTurn <= this.#options.maxMessageBytes ? inTurn : 0;
    return this.#bytes + collected + (this.#retained?.heldBytes ?? 0);
  }

  /**
   * Adds a decoded shard. Returns the reason when it is refused; a refused shard changes nothing.
   *
   * @param once whether it was sent over a channel without retransmission
   */
  accept(shard: Shard, stamp?: RelayStamp, once = false): Refusal | undefined {
    const early = stamp?.retained && (this.#base === undefined || shard.seqId < this.#base);
    const refusal = early
      ? this.#retainedReassembler().#acceptShard(shard, stamp, false)
      : this.#acceptShard(shard, stamp, once);
    if (refusal) this.refused[refusal]++;
    return refusal;
  }

  /** Handles a loss notice of the relay for a range of messages, both ends included. */
  skip(fromSeqId: number, toSeqId: number): void {
    if (this.#base === undefined || toSeqId < this.#next) return;
    // Above the limit, the gap ends at its deadline.
    if (this.#notices.length < maxNotices) this.#notices.push({ from: fromSeqId, to: toSeqId });
    this.#advance();
  }

  /** Skips gaps and incomplete messages whose deadline is over. */
  expire(): void {
    const now = this.#options.now();
    while (this.#deadline <= now) {
      this.#skipNext('deadline');
      this.#advance();
    }
    this.#retained?.expire();
  }

  /** Drops all incomplete messages, after the publisher has left. */
  close(): void {
    const open = [...this.#open.values()];
    this.#open.clear();
    this.#bytes = 0;
    this.#deadline = Number.POSITIVE_INFINITY;
    for (const message of open) message.sink?.abort();
    this.#retained?.close();
    this.#retained = undefined;
  }

  /** Reassembles retained messages from before the start of the sequence, one at a time. */
  #retainedReassembler(): Reassembler {
    const single = { windowMessages: 1, maxJump: Number.POSITIVE_INFINITY, lost: () => {} };
    return (this.#retained ??= new Reassembler({ ...this.#options, ...single }));
  }

  #acceptShard(shard: Shard, stamp: RelayStamp | undefined, once: boolean): Refusal | undefined {
    const { seqId, size, total } = shard;
    const { maxMessageBytes, stream, deliver } = this.#options;
    if (this.#open.size > 0) this.expire();
    // Before the sequence starts, messages up to the last retained one are stale.
    const earliest = this.#base === undefined ? (this.#retained ? this.#retained.#next : 0) : this.#next;
    if (seqId < earliest) return 'stale';
    if (size > maxMessageBytes && !stream) return 'too-large';
    if (this.#base === undefined) this.#begin(seqId);
    if (once) this.#onceFrom = Math.min(this.#onceFrom, seqId);
    else if (seqId >= this.#onceFrom) this.#onceFrom = Number.POSITIVE_INFINITY;
    if (this.#open.size > 0 || seqId !== this.#next || total > 1 || size > maxMessageBytes)
      return this.#buffer(shard, stamp);
    this.#next++;
    deliver(shard.payload, infoOf(shard, stamp));
    if (this.#notices.length > 0) this.#advance();
    return undefined;
  }

  #begin(seqId: number): void {
    this.#base = this.#next = seqId;
    // The incomplete retained message is now received in the sequence.
    if (this.#retained && this.#retained.#open.size > 0 && this.#retained.#next >= seqId) this.#retained.close();
  }

  #buffer(shard: Shard, stamp: RelayStamp | undefined): Refusal | undefined {
    const { seqId } = shard;
    const open = this.#open.get(seqId);
    if (open && !open.agrees(shard)) return 'contradiction';
    if (open?.has(shard)) return 'duplicate';
    if (!this.#isPlausible(seqId)) return 'jump';
    this.#skipBelow(seqId - this.#options.windowMessages + 1, 'window');
    this.#freeMemory(open ? open.costOf(shard) : openingCost(shard));
    // The message itself may have been skipped to free memory.
    if (seqId < this.#next) return 'stale';
    this.#store(shard, stamp);
    this.#advance();
    return undefined;
  }

  /** Whether a sequence id is plausible: one far ahead only when the one after it follows. */
  #isPlausible(seqId: number): boolean {
    if (seqId - this.#next < this.#options.maxJump) return true;
    const follows = this.#jumpedTo === seqId - 1;
    this.#jumpedTo = follows ? undefined : seqId;
    if (follows) this.#skipBelow(seqId, 'jump');
    return follows;
  }

  #freeMemory(bytes: number): void {
    if (bytes === 0) return;
    while (this.#bytes + bytes > this.#options.windowBytes && this.#open.size > 0) {
      this.#skipNext('memory');
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

  /** Delivers all messages that are next in the sequence. */
  #advance(): void {
    while (this.#step());
    if (this.#notices.length > 0) this.#notices = this.#notices.filter(({ to }) => to >= this.#next);
    this.#deadline = this.#nextDeadline();
  }

  /** Delivers, continues or skips the next message; false when there is nothing to do. */
  #step(): boolean {
    const head = this.#open.get(this.#next);
    if (head) {
      const sink = head.sink ?? this.#sinkFor(head.info);
      if (!sink) {
        this.#skipNext('unwanted');
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
    if (notice) this.#skipNext('notice', notice.to + 1);
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

  /** Skips the next message. If none of its shards was received, skips all up to the first message with a shard, or up to `limit`. */
  #skipNext(reason: LossReason, limit = Number.POSITIVE_INFINITY): void {
    const head = this.#open.get(this.#next);
    if (head) this.#remove(head);
    const from = this.#next;
    this.#next = head ? from + 1 : Math.min(limit, ...this.#open.keys());
    head?.sink?.abort();
    this.#options.lost({ fromSeqId: from, toSeqId: this.#next - 1, reason });
  }

  #skipBelow(seqId: number, reason: LossReason): void {
    while (this.#next < seqId) {
      this.#skipNext(reason, seqId);
      this.#advance();
    }
  }

  #nextDeadline(): number {
    const { gapTimeoutMs, reorderMs, idleTimeoutMs } = this.#options;
    const head = this.#open.get(this.#next);
    const blocked = this.#oldestExcept(head);
    if (!blocked) return head ? head.movedAt + idleTimeoutMs : Number.POSITIVE_INFINITY;
    // Without retransmission a gap is filled by reordered packets only.
    const timeoutMs = this.#next >= this.#onceFrom ? reorderMs : gapTimeoutMs;
    return Math.max(blocked.openedAt, head?.movedAt ?? 0) + timeoutMs;
  }

  #oldestExcept(head: OpenMessage | undefined): OpenMessage | undefined {
    for (const message of this.#open.values()) if (message !== head) return message;
    return undefined;
  }
}
