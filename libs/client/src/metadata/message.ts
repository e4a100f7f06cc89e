import type { MessageInfo } from '@flotilla/data-channel';

/** A value that JSON can represent. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Data to publish: bytes are sent as they are, text as UTF-8, anything else as JSON. */
export type MetadataData = Uint8Array | Json;

export const bytesOf = (data: MetadataData): Uint8Array =>
  data instanceof Uint8Array ? data : new TextEncoder().encode(typeof data === 'string' ? data : JSON.stringify(data));

/** A message that was published on a topic. */
export class MetadataMessage {
  readonly topic: string;
  /** The participant that published it. */
  readonly participantId: string;
  /** Number of the message among those of its publisher on the topic. */
  readonly seqId: number;
  /** Capture time of what it describes, in milliseconds of the fleet's time; undefined when the publisher gave none. */
  readonly captureTime: number | undefined;
  /** When the relay received it, in milliseconds of the fleet's time. */
  readonly routedAt: number;
  /** It was published before the subscription, and retained by the relay. */
  readonly retained: boolean;
  /**
   * Capture time of the presented frame minus that of the message, in milliseconds. Undefined without `align: 'frame'`, and
   * when no frame arrived in time.
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

  /** Its bytes as UTF-8. */
  text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  /** Its text as JSON. @throws SyntaxError when it is not JSON */
  json(): unknown {
    return JSON.parse(this.text());
  }
}
