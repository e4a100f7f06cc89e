import type { RtpPacket } from '../rtp/rtp-packet.ts';
import type { ReceiverStats } from '../rtp/rtp-receiver.ts';
import type { IngestError } from '../ingest-error.ts';

export type MediumKind = 'audio' | 'video';
export type MediumCodec = 'H264' | 'VP8' | 'opus';

export const clockRates: Readonly<Record<MediumCodec, number>> = { H264: 90_000, VP8: 90_000, opus: 48_000 };

/** A stream that a source offers. */
export interface Medium {
  readonly kind: MediumKind;
  readonly codec: MediumCodec;
  /** Of H.264: the parameter sets of the SDP. */
  readonly parameterSets: readonly Buffer[];
}

export interface SourceHandlers {
  /** The streams that follow. Called once for each connection of the source, before the first packet. */
  onMedia(media: readonly Medium[]): void;
  /** A packet, in order. */
  onPacket(kind: MediumKind, packet: RtpPacket, now: number): void;
  /** Something is wrong, and the source continues. */
  onProblem(error: IngestError): void;
  /** The source has ended. It is not used any more. */
  onEnded(error: IngestError): void;
}

/** Where an ingest gets its packets from. */
export interface Source {
  /** Requests a key frame of the video. */
  requestKeyFrame(): void;
  /** Statistics of each stream. */
  stats(): Partial<Record<MediumKind, ReceiverStats>>;
  /** When the last packet arrived, by `performance.now()`. */
  readonly lastAt: number;
  close(): void;
}
