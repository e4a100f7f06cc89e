import type { Source } from '@flotilla/contracts';
import type { VideoCodec } from '../media/encodings.ts';
import type { TokenSource } from '../signaling/signal-session.ts';

/** Options of `connect`. */
export interface ConnectOptions {
  /**
   * A join token, or a function that returns one. A token opens one session; with a function the SDK opens a new session
   * when the previous one cannot be resumed.
   */
  readonly token: TokenSource;
  /** The room's name or id. */
  readonly room: string;
  /** Display name for the other participants. Default: the name in the token. */
  readonly name?: string;
  /** Subscribe to every publication automatically. Default true. */
  readonly subscribe?: boolean;
  /**
   * STUN and TURN servers beside the TURN servers of the fleet, which the server sends. Connections to SFU nodes need none unless
   * the network blocks UDP; direct calls between two participants behind NAT need one.
   */
  readonly iceServers?: RTCIceServer[];
  /** Aborts the join: `connect` rejects with the signal's reason, and the server removes the participant. */
  readonly signal?: AbortSignal;
}

/** Options of `room.publish`. */
export interface PublishOptions {
  /** Default: `camera` for video, `microphone` for audio. */
  readonly source?: Source;
  /** Shown to the other participants, such as the title of a window: at most 128 characters, without those that cannot be seen. */
  readonly label?: string;
  /** Start muted. Default false. */
  readonly muted?: boolean;
  /** Default: the first codec that both sides support, which is VP8. */
  readonly videoCodec?: VideoCodec;
}
