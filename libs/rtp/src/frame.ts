import type { RtpPacket } from './packet.ts';

/** A frame of audio, or a picture (access unit) of video, out of the RTP packets of one timestamp. */
export interface MediaFrame {
  /**
   * The coded frame: for H.264 and H.265 in Annex B form, each NAL unit after a start code of four bytes. A view of the depacketiser's
   * buffer, valid until the callback returns.
   */
  readonly data: Buffer;
  readonly rtpTimestamp: number;
  /** Whether it can be decoded without others. */
  readonly isKeyFrame: boolean;
  /** False when packets of it were lost: then `data` has the NAL units that arrived whole, or what is before the loss. */
  readonly isComplete: boolean;
}

export interface DepacketizerHandlers {
  /** Called for each frame, in order. */
  readonly onFrame: (frame: MediaFrame) => void;
  /**
   * Called when packets were lost or malformed, and for each frame that is dropped since. The caller limits the rate of what it
   * sends: see `KeyFrameRequester`.
   */
  readonly onKeyFrameNeeded?: () => void;
}

export interface DepacketizerOptions {
  /** Largest frame in bytes. Larger ones are dropped like frames with lost packets. Default 4 MiB. */
  readonly maxFrameBytes?: number;
  /** Passes on frames with lost packets and those that depend on them, instead of dropping all up to the next key frame. */
  readonly deliversIncomplete?: boolean;
}

/** Turns the packets of one stream, in order, into frames. */
export interface Depacketizer {
  /** Number of frames that were dropped because packets were lost, or a frame that they depend on was. */
  readonly droppedFrames: number;
  /** Number of malformed packets. */
  readonly malformedPackets: number;
  push(packet: RtpPacket): void;
}
