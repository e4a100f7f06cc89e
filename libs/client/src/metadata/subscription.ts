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
 * What loses nothing comes in order: a hole that something overtook was lost with a link, or is on its way over another. A long
 * message may rest half sent for as long as the path is bad. Elsewhere what is missing is soon there or lost.
 */
const patience = {
  reliable: { holeTimeoutMs: 2000, restMs: 30_000 },
  lossy: { holeTimeoutMs: 250 },
} as const;
/** What was sent for a frame that does not come is delivered without one after this. */
const frameTimeoutMs = 1000;
/** Publishers remembered on a topic; the one silent for longest is forgotten. */
const maxPublishers = 256;

export interface SubscribeOptions {
  /**
   * `immediate` (default): as it comes. `frame`: when the frame it describes is on the screen; needs a `captureTime`, and a
   * browser that tells the capture time of frames (Chromium). What has no frame within a second comes without one.
   */
  readonly align?: 'immediate' | 'frame';
  /** Takes messages longer than 256 KiB piece by piece. Without it they are not taken. */
  readonly onLarge?: (info: LargeMessage) => MessageSink | undefined;
  /** Messages of a publisher that did not arrive and will not. */
  readonly onLost?: (loss: Loss & { readonly topic: string; readonly participantId: string }) => void;
}

/** A message that comes piece by piece. */
export interface LargeMessage {
  readonly topic: string;
  readonly participantId: string;
  readonly seqId: number;
  /** Bytes of all of it. */
  readonly size: number;
}

export type MetadataHandler = (message: MetadataMessage) => void;

/** One `subscribe` of the application: puts messages together, in order for each publisher and topic, and hands them on. */
export class Subscription {
  readonly #streams = new Map<string, { readonly reassembler: Reassembler; readonly participantId: string }>();
  readonly #aligners = new Map<string, Aligner>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #expiresAt = 0;

  constructor(
    /** `*` for all. */
    readonly topic: string,
    private readonly handler: MetadataHandler,
    private readonly options: SubscribeOptions,
  ) {}

  get aligns(): boolean {
    return this.options.align === 'frame';
  }

  takes(topic: string): boolean {
    return this.topic === '*' || this.topic === topic;
  }

  /** `once`: it came over a channel, from its publisher or from the relay, that sends nothing again. */
  accept(shard: Shard, stamp: RelayStamp, once: boolean): void {
    const reassembler = this.#stream(shard.topic, stamp.publisherId, shard.reliable);
    reassembler.accept(shard, stamp, once);
    if (Number.isFinite(reassembler.deadline)) this.#expireAt(reassembler.deadline);
  }

  /** One timer for all streams: it goes by the first deadline. */
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
      ...(reliable ? patience.reliable : patience.lossy),
      deliver: (bytes, info) => this.#deliver(bytes, info, participantId),
      ...(onLarge && { stream: ({ seqId, size }) => onLarge({ topic, participantId, seqId, size }) }),
      ...(onLost && { lost: (loss) => onLost({ ...loss, topic, participantId }) }),
    });
    this.#streams.set(key, { reassembler, participantId });
    if (this.#streams.size > maxPublishers) {
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

  /** A frame of the participant's video is on the screen; its capture time in ms of the fleet's time. */
  frame(participantId: string, captureTime: number): void {
    this.#aligners.get(participantId)?.frame(captureTime, performance.now());
  }

  /** To be called a few times a second: what waits for a frame that does not come. */
  expire(): void {
    const now = performance.now();
    for (const aligner of this.#aligners.values()) if (aligner.deadline <= now) aligner.expire(now);
  }

  /** The participant left. */
  forget(participantId: string): void {
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
    for (const { participantId } of [...this.#streams.values()]) this.forget(participantId);
  }
}
