import { randomUUID } from 'node:crypto';
import {
  type PublicationRecord,
  type MigrationRecord,
  type NodeReport,
  newId,
  participantIdOf,
  type Room,
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

/** What a node reports that has ten places, all of them free. */
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

/** A room as the store keeps it, made now. */
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

/** What the store is asked for somebody who enters a room, wherever there is a place but on the nodes that are named. */
export function newcomer(roomId: string, sessionId = newId('session'), excludeNodes: readonly string[] = []) {
  const participantId = participantIdOf(sessionId);
  return { roomId, participantId, sessionId, userId: 'u', name: 'U', joinedAt: Date.now(), excludeNodes };
}

/** A camera that a member publishes from the node it is homed on. */
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

/** A drain moves somebody, and the new side is kept free. */
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
