import {
  type Loss,
  type MessageInfo,
  type MessageSink,
  Reassembler,
  type RelayStamp,
  type Shard,
} from '@flotilla/data-channel';
import { Aligner } from './aligner.ts';
import { MetadataMessage } from './message.ts';

/**
 * How long missing messages, and the rest of a long message, are awaited before they count as lost, in milliseconds. On a
 * reliable channel a hole means that messages were lost with a link, or arrive on another one; a long message may take as long
 * as the path is bad.
 */
const timeouts = {
  reliable: { gapTimeoutMs: 2000, idleTimeoutMs: 30_000 },
  lossy: { gapTimeoutMs: 250 },
} as const;
/** Time after which a message is delivered without its frame, in milliseconds. */
const frameTimeoutMs = 1000;
/** Streams (publisher and topic) with a state at most; the oldest is dropped. */
const maxStreams = 256;

export interface SubscribeOptions {
  /**
   * `immediate` (default): messages are delivered as they arrive. `frame`: when the frame that they describe is presented,
   * which needs a `captureTime` and a browser that reports capture times (Chromium); after one second without a frame a
   * message is delivered without it.
   */
  readonly align?: 'immediate' | 'frame';
  /** Receives messages longer than 256 KiB in parts. Without it they are dropped. */
  readonly onLarge?: (info: LargeMessage) => MessageSink | undefined;
  /** Called with messages of a publisher that were lost. */
  readonly onLost?: (loss: Loss & { readonly topic: string; readonly participantId: string }) => void;
}

/** A message that is received in parts. */
export interface LargeMessage {
  readonly topic: string;
  readonly participantId: string;
  readonly seqId: number;
  /** Its length in bytes. */
  readonly size: number;
}

export type MetadataHandler = (message: MetadataMessage) => void;

/** A subscription of the application: reassembles messages and delivers them in order for each publisher and topic. */
export class Subscription {
  readonly #streams = new Map<string, { readonly reassembler: Reassembler; readonly participantId: string }>();
  readonly #aligners = new Map<string, Aligner>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #expiresAt = 0;

  constructor(
    /** `*`: all topics. */
    readonly topic: string,
    private readonly handler: MetadataHandler,
    private readonly options: SubscribeOptions,
  ) {}

  get aligns(): boolean {
    return this.options.align === 'frame';
  }

  matches(topic: string): boolean {
    return this.topic === '*' || this.topic === topic;
  }

  /** @param isUnreliable it was sent on a channel without retransmissions, by its publisher or by the relay. */
  accept(shard: Shard, stamp: RelayStamp, isUnreliable: boolean): void {
    const reassembler = this.#stream(shard.topic, stamp.publisherId, shard.reliable);
    reassembler.accept(shard, stamp, isUnreliable);
    if (Number.isFinite(reassembler.deadline)) this.#expireAt(reassembler.deadline);
  }

  /** Sets the timer, which serves all streams, to the earliest deadline. */
  #expireAt(deadline: number): void {
    if (this.#timer && deadline >= this.#expiresAt) return;
    clearTimeout(this.#timer);
    this.#expiresAt = deadline;
    this.#timer = setTimeout(() => this.#expire(), Math.max(0, deadline - performance.now()));
  }

  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    let first = Infinity;
    for (const { reassembler } of this.#streams.values()) {
      if (reassembler.deadline <= now) reassembler.expire();
      first = Math.min(first, reassembler.deadline);
    }
    if (Number.isFinite(first)) this.#expireAt(first);
  }

  skip(topic: string, participantId: string, fromSeqId: number, toSeqId: number): void {
    this.#streams.get(`${participantId} ${topic}`)?.reassembler.skip(fromSeqId, toSeqId);
  }

  #stream(topic: string, participantId: string, reliable: boolean): Reassembler {
    const key = `${participantId} ${topic}`;
    const known = this.#streams.get(key);
    if (known) return known.reassembler;
    const { onLarge, onLost } = this.options;
    const reassembler = new Reassembler({
      now: () => performance.now(),
      ...(reliable ? timeouts.reliable : timeouts.lossy),
      deliver: (bytes, info) => this.#deliver(bytes, info, participantId),
      ...(onLarge && { stream: ({ seqId, size }) => onLarge({ topic, participantId, seqId, size }) }),
      ...(onLost && { lost: (loss) => onLost({ ...loss, topic, participantId }) }),
    });
    this.#streams.set(key, { reassembler, participantId });
    if (this.#streams.size > maxStreams) {
      const [oldest] = this.#streams.keys();
      this.#streams.get(oldest!)!.reassembler.close();
      this.#streams.delete(oldest!);
    }
    return reassembler;
  }

  #deliver(bytes: Uint8Array, info: MessageInfo, participantId: string): void {
    const message = (alignmentMs?: number): void => {
      try {
        this.handler(new MetadataMessage(bytes, info, alignmentMs));
      } catch (error) {
        reportError(error);
      }
    };
    if (!this.aligns || info.captureTime === 0) return message();
    this.#aligner(participantId).add({ captureTime: info.captureTime / 1000, deliver: message }, performance.now());
  }

  #aligner(participantId: string): Aligner {
    let aligner = this.#aligners.get(participantId);
    if (!aligner) this.#aligners.set(participantId, (aligner = new Aligner(frameTimeoutMs)));
    return aligner;
  }

  /** A frame of the participant's video was presented. @param captureTime in milliseconds of the fleet's time. */
  frame(participantId: string, captureTime: number): void {
    this.#aligners.get(participantId)?.frame(captureTime, performance.now());
  }

  /** Delivers messages whose frame did not arrive in time. Call it several times per second. */
  expire(): void {
    const now = performance.now();
    for (const aligner of this.#aligners.values()) if (aligner.deadline <= now) aligner.expire(now);
  }

  /** Drops the state of a participant that left. */
  removeParticipant(participantId: string): void {
    for (const [key, stream] of this.#streams) {
      if (stream.participantId !== participantId) continue;
      stream.reassembler.close();
      this.#streams.delete(key);
    }
    this.#aligners.get(participantId)?.expire(Infinity);
    this.#aligners.delete(participantId);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const { participantId } of [...this.#streams.values()]) this.removeParticipant(participantId);
  }
}
