import { isRecordingUser, type Participant, type RoomGrant, type Source } from '@flotilla/contracts';
import type { RemotePublication } from './remote-publication.ts';

/** Audio level of a participant that does not speak, in dBov (RFC 6464). */
export const silentLevel = -127;

/** Another participant of the room. */
export class RemoteParticipant {
  readonly id: string;
  readonly userId: string;
  readonly name: string;
  /** When the participant joined, in milliseconds since the Unix epoch. */
  readonly joinedAt: number;
  /** The participant's publications, by id. */
  readonly publications = new Map<string, RemotePublication>();
  /** In dBov: 0 is the loudest, -127 silence. */
  audioLevel = silentLevel;
  /** `reconnecting`: the participant's signaling connection dropped and may resume; its publications are kept until then. */
  connection: Participant['connection'];
  /** What the participant may do in the room. */
  grants: readonly RoomGrant[];

  /** @internal */
  constructor({ id, userId, name, joinedAt, connection, grants }: Participant) {
    this.id = id;
    this.userId = userId;
    this.name = name;
    this.joinedAt = joinedAt;
    this.connection = connection;
    this.grants = grants;
  }

  get isSpeaking(): boolean {
    return this.audioLevel > silentLevel;
  }

  /** Whether it is no person, but a media edge that records the room. */
  get isRecording(): boolean {
    return isRecordingUser(this.userId);
  }

  /** The publication of that source, if there is one. */
  find(source: Source): RemotePublication | undefined {
    return [...this.publications.values()].find((publication) => publication.source === source);
  }
}
