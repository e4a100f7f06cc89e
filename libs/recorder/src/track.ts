/** A codec as the SDP or mediasoup names it. */
export interface RecordedCodec {
  /** For example `video/VP8`, in any case. */
  readonly mimeType: string;
  /** In Hz. */
  readonly clockRate: number;
  /** Of the packets to record; others of the same SSRC (RTX, FEC, comfort noise) are skipped. */
  readonly payloadType: number;
  /** Audio only. Default 2. */
  readonly channels?: number;
  /** Parameter sets of the SDP (sprop-parameter-sets, sprop-vps and so on) in Annex B form, for streams that have none in-band. */
  readonly parameterSets?: Buffer;
}

/** A publication to record. */
export interface RecordedTrack {
  readonly publicationId: string;
  readonly participantId: string;
  readonly kind: 'audio' | 'video';
  readonly codec: RecordedCodec;
  /** Asks the sender of a stream for a key frame. Called twice a second at most for a stream, of which a track has five at most. */
  readonly requestKeyFrame?: (ssrc: number) => void;
}

/** What the source of a track calls. It continues with the same track when the SSRC changes: a migration, a replaced producer. */
export interface TrackFeed {
  /**
   * An RTP packet. It is read before this returns, so the buffer may be used again.
   *
   * @param arrivedMs time of arrival, in ms since the Unix epoch. Default: now.
   */
  packet(bytes: Buffer, arrivedMs?: number): void;
  senderReport(report: { readonly ssrc: number; readonly unixMs: number; readonly rtpTimestamp: number }): void;
  /** No more packets of this SSRC come: an earlier one is taken up again at once, not after a second of silence. */
  streamEnded(ssrc: number): void;
}
