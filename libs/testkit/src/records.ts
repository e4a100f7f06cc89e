import { randomUUID } from 'node:crypto';
import {
  type PublicationRecord,
  type MigrationRecord,
  type NodeReport,
  newId,
  participantIdOf,
  type Room,
  type RoomGrant,
  roomGrants,
} from '@flotilla/contracts';

const noLoad: NodeReport['load'] = {
  cpu: 0,
  eventLoopDelayMs: 0,
  workers: [],
  sessions: 0,
  producers: 0,
  consumers: 0,
  pipes: 0,
  packetsPerSecond: 0,
  bitsPerSecond: 0,
};

/** The report of an idle node with capacity 10. */
export function nodeReport(
  id: string,
  { load, ...more }: Partial<Omit<NodeReport, 'load'>> & { load?: Partial<NodeReport['load']> } = {},
): NodeReport {
  return {
    id,
    startedAt: 1,
    capacity: 10,
    state: 'active',
    rtpCapabilities: {},
    ...more,
    load: { ...noLoad, ...load },
  };
}

/** A room record, created now. */
export function roomRecord(name: string, more: Partial<Room> = {}): Room {
  return {
    id: `rm_${name}`,
    name,
    createdAt: Date.now(),
    maxParticipants: 100,
    spread: false,
    peerToPeer: false,
    acceptBridged: false,
    emptyTimeoutSeconds: 300,
    ...more,
  };
}

/** Parameters that a participant's media is opened with. */
export const mediaRequest = { rtpCapabilities: {}, subscribe: true } as const;

/** The join request of a new participant, on any node except the excluded ones. */
export function newcomer(roomId: string, sessionId = newId('session'), excludeNodes: readonly string[] = []) {
  const participantId = participantIdOf(sessionId);
  const person = { userId: 'u', name: 'U', joinedAt: Date.now() };
  const grants: RoomGrant[] = [...roomGrants];
  return { roomId, participantId, sessionId, ...person, grants, excludeNodes, maxRooms: 16, media: mediaRequest };
}

/** Claims of a session that may join any room and do there what a participant of a call does. */
export const participantClaims = (expiresAt = Date.now() + 900_000) => ({
  room: '*',
  grants: [...roomGrants],
  bridge: [],
  expiresAt,
});

interface JoinableStore<Joined> {
  readonly sessions: {
    open(
      session: {
        id: string;
        userId: string;
        gatewayId: string;
        room: string;
        grants: readonly RoomGrant[];
        bridge: readonly string[];
        expiresAt: number;
      },
      resumeHash: string,
    ): Promise<unknown>;
  };
  readonly rooms: { join(request: ReturnType<typeof newcomer>): Promise<Joined> };
}

/** Opens a session of the newcomer and joins its room. */
export async function joinAs<Joined>(
  { sessions, rooms }: JoinableStore<Joined>,
  request: ReturnType<typeof newcomer>,
): Promise<Joined> {
  const { sessionId, userId } = request;
  await sessions.open({ id: sessionId, userId, gatewayId: 'gw_test', ...participantClaims() }, `hash-of-${sessionId}`);
  return rooms.join(request);
}

/** A camera publication of a member on its node. */
export function cameraOf(
  { id, nodeId }: { readonly id: string; readonly nodeId: string },
  more: Partial<PublicationRecord> = {},
): PublicationRecord {
  return {
    id: newId('publication'),
    participantId: id,
    nodeId,
    kind: 'video',
    source: 'camera',
    codec: 'video/VP8',
    muted: false,
    producerId: randomUUID(),
    ...more,
  };
}

/** A migration for a drain, in its first step. */
export function migrationRecord(more: Partial<MigrationRecord> = {}): MigrationRecord {
  return {
    id: newId('migration'),
    roomId: 'rm_a',
    sessionId: 'ss_a',
    participantId: 'pt_a',
    fromNode: 'nd_a',
    toNode: 'nd_b',
    reason: 'drain',
    step: 'reserved',
    startedAt: Date.now(),
    ...more,
  };
}
