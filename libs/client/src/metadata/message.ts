import type { MessageInfo } from '@flotilla/data-channel';

/** Anything JSON can carry. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What may be published: bytes as they are, text as UTF-8, anything else as JSON. */
export type MetadataData = Uint8Array | Json;

export const bytesOf = (data: MetadataData): Uint8Array =>
  data instanceof Uint8Array ? data : new TextEncoder().encode(typeof data === 'string' ? data : JSON.stringify(data));

/** Something published on a topic, as it arrived. */
export class MetadataMessage {
  readonly topic: string;
  /** Who published it. */
  readonly participantId: string;
  /** Counts what its publisher sent on the topic. */
  readonly seqId: number;
  /** When what it describes was captured, and when the relay had it; ms of the fleet's time. */
  readonly captureTime: number | undefined;
  readonly routedAt: number;
  /** It was kept by the relay from before you subscribed. */
  readonly retained: boolean;
  /**
   * Capture time of the frame on the screen minus that of the message, ms. Undefined unless you asked for `frame`, or when
   * there was no frame for it.
   */
  readonly alignmentMs: number | undefined;

  /** @internal */
  constructor(
    readonly bytes: Uint8Array,
    { topic, seqId, captureTime, stamp }: MessageInfo,
    alignmentMs?: number,
  ) {
    this.topic = topic;
    this.seqId = seqId;
    this.participantId = stamp?.publisherId ?? '';
    this.captureTime = captureTime === 0 ? undefined : captureTime / 1000;
    this.routedAt = (stamp?.routedAt ?? 0) / 1000;
    this.retained = stamp?.retained ?? false;
    this.alignmentMs = alignmentMs;
  }

  text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  /** @throws SyntaxError when it is no JSON */
  json(): unknown {
    return JSON.parse(this.text());
  }
}
