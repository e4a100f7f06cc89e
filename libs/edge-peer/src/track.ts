import type { MediaKind, RtpParameters, Source } from '@flotilla/contracts';

/** Sends the packets of a track on one transport. */
export interface TrackSender {
  /** SSRC that its packets have to have. */
  readonly ssrc: number;
  /** Sends an RTP packet, and keeps it for retransmission: the buffer must not be changed any more. */
  send(packet: Buffer): void;
}

/** A track that is sent on one transport. */
export interface StartedTrack {
  /** The SFU requests a key frame. */
  requestKeyFrame(): void;
  /** RTP timestamp at a time of `performance.now()`, for sender reports. Undefined before the first packet. Default: no reports. */
  rtpTimeAt?(now: number): number | undefined;
  stop(): void;
}

/**
 * A stream that a peer publishes. While the peer migrates, it is sent on two transports at once, each with an SSRC of its own:
 * `start` is called for each of them.
 */
export interface OutgoingTrack {
  readonly kind: MediaKind;
  readonly source: Source;
  readonly label?: string;
  /** The RTP parameters to publish with. */
  rtpParameters(ssrc: number): RtpParameters;
  start(sender: TrackSender): StartedTrack;
}
