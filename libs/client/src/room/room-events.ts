import type { FlotillaError, LeaveReason, MediaMode, RemovalReason, RoomGrant } from '@flotilla/contracts';
import type { RoomStats } from '../media/quality.ts';
import type { LocalPublication } from './local-publication.ts';
import type { RemoteParticipant } from './participant.ts';
import type { RemotePublication } from './remote-publication.ts';

/** `reconnecting`: the signaling connection dropped and is being resumed; media may continue. `closed` is final. */
export type ConnectionState = 'connected' | 'reconnecting' | 'closed';

/** A completed migration. `ms`: how long both SFU nodes were connected before the change. */
export interface MigrationSummary {
  readonly fromNode: string;
  readonly toNode: string;
  readonly ms: number;
}

/** Events of a room, with the arguments of their listeners. */
export type RoomEvents = {
  /** The state of the local participant's own signaling connection. */
  stateChanged: [state: ConnectionState];
  /** Also for participants who were in a large room before: it is listed in the background after the join. */
  participantJoined: [participant: RemoteParticipant];
  /** `reason` is undefined when it left while the local signaling connection was lost. */
  participantLeft: [participant: RemoteParticipant, reason: LeaveReason | undefined];
  /** `participant.connection` changed: the participant's signaling connection dropped, or has resumed. */
  participantConnectionChanged: [participant: RemoteParticipant];
  /**
   * The grants of a participant, the local one included, were changed by a new token or by the operator. What they do not cover
   * has ended: local publications without `publish`, the tracks of remote ones without `subscribe`.
   */
  grantsChanged: [participantId: string, grants: readonly RoomGrant[]];
  publicationAdded: [publication: RemotePublication, participant: RemoteParticipant];
  /** A publication was muted or unmuted. */
  publicationUpdated: [publication: RemotePublication, participant: RemoteParticipant];
  publicationRemoved: [publication: RemotePublication, participant: RemoteParticipant];
  /** The server ended a publication of the local participant, which may publish again later. */
  publicationEnded: [publication: LocalPublication, reason: RemovalReason];
  /** `publication.track` was set, replaced or removed. */
  trackChanged: [publication: RemotePublication, participant: RemoteParticipant];
  /** `publication.pausedForBandwidth` changed. */
  pausedForBandwidthChanged: [publication: RemotePublication, participant: RemoteParticipant];
  /** Ids of the participants that speak, the local one included. Participants that are reconnecting are left out. */
  speakersChanged: [participantIds: ReadonlySet<string>];
  /** The participant that leads the conversation. */
  activeSpeakerChanged: [participantId: string];
  /** Application data sent with `send`, also by the local participant. `sender` is undefined for the local one, and after it left. */
  message: [data: unknown, participantId: string, sender: RemoteParticipant | undefined];
  /** New statistics, at most every two seconds; `publication.quality` is updated with them. */
  qualityChanged: [stats: RoomStats];
  /** Media takes another path from now on. Tracks and publications stay, but see `trackChanged`. */
  mediaModeChanged: [mode: MediaMode];
  /** The media connection was lost with its node and is being reopened, or is open again. */
  mediaChanged: [state: 'lost' | 'restored'];
  /** Media has no network path (`ICE_FAILED`, with cause and cure in the message), or has one again. The SDK keeps trying. */
  mediaErrorChanged: [error: FlotillaError | undefined];
  /** Local media was moved to another SFU node without interruption. */
  migrated: [migration: MigrationSummary];
  /** A migration to another node failed; media stays on the previous node. */
  migrationFailed: [error: FlotillaError];
  /**
   * The room is closed. `error` is the reason, undefined after `leave`: SESSION_REVOKED when an operator ended the session, NOT_IN_ROOM
   * when the participant was removed.
   */
  closed: [error: FlotillaError | undefined];
};
