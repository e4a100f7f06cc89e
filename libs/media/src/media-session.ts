import { FlotillaError, mayHaveMedia, type Offset, type RoomGrant, type RtpCapabilities } from '@flotilla/contracts';
import type { RoomStateWithMigrations } from '@flotilla/store';

/** What an assignment is read from: the state of a room, or its part about a participant. */
export type AssignmentState = Pick<RoomStateWithMigrations, 'room' | 'members' | 'migrations' | 'offset'>;
import type { Producer, Router } from 'mediasoup/types';
import type { PeerMedia } from './peer-media.ts';
import type { RoomRouter } from './room-routers.ts';
import type { PooledWorker } from './worker-pool.ts';

/** A session with media in a room on this node. */
export interface MediaSession {
  readonly media: PeerMedia;
  /** The router that its media is on. */
  readonly roomRouter: RoomRouter;
  /** Offset of the room's state that it was opened by, or brought in line with later. Earlier events do not apply to it. */
  stateAt: Offset;
  /** Grants of its participant, from that state and the events after it. */
  grants: readonly RoomGrant[];
  /** Maximum bit rate of what it publishes by the claim of its token, as `grants`, bit/s. */
  maxPublishBitrate: number | undefined;
  readonly maxPublishBitrateOfRoom: number | undefined;
  /** It is the new side of a migration that is not committed. */
  isIncoming: boolean;
  /** It is the previous side of a committed migration. */
  isLeft: boolean;
  /** Publications subscribed to during a migration to another node, which does not have these subscriptions. */
  readonly subscribedMeanwhile: Set<string>;
  /** Of a session that was opened with `subscribe: false`. */
  readonly choice: SubscriptionChoice | undefined;
}

/** Throws FORBIDDEN unless the participant of the session has the grant. */
export function requireGrant({ grants }: Pick<MediaSession, 'grants'>, grant: RoomGrant): void {
  if (!grants.includes(grant))
    throw new FlotillaError('FORBIDDEN', `the participant does not have the grant "${grant}"`);
}

/** What the state of a room says of a participant on this node. */
export interface Assignment {
  readonly state: AssignmentState;
  readonly grants: readonly RoomGrant[];
  readonly maxPublishBitrate: number | undefined;
  /** It is being moved to the node, and the migration is not committed. */
  readonly isIncoming: boolean;
}

/**
 * The assignment of a participant to a node by the state of its room. Throws NOT_IN_ROOM unless the participant is assigned to the node
 * or being moved to it, FORBIDDEN without a grant for media.
 */
export function assignmentIn(state: AssignmentState | undefined, participantId: string, nodeId: string): Assignment {
  const member = state?.members.find(({ id }) => id === participantId);
  const migration = state?.migrations.find((each) => each.participantId === participantId);
  const isIncoming = member?.nodeId !== nodeId;
  if (!state || !member || (isIncoming && migration?.toNode !== nodeId))
    throw new FlotillaError('NOT_IN_ROOM', `${participantId} is not assigned to ${nodeId}`);
  const { grants, maxPublishBitrate } = member;
  if (!mayHaveMedia(grants))
    throw new FlotillaError('FORBIDDEN', 'the participant has neither the grant "publish" nor "subscribe"');
  return { state, grants, maxPublishBitrate, isIncoming };
}

/** How the subscriptions that a session chose are stored, for its next node. */
export interface SubscriptionChoice {
  readonly rtpCapabilities: RtpCapabilities;
  /** They changed since they were last written. */
  isStale: boolean;
  isWriting: boolean;
}

/** The sessions of a room on this node, by id. */
export class MediaSessions extends Map<string, MediaSession> {
  /** Throws MEDIA_NOT_OPEN. */
  require(sessionId: string): MediaSession {
    const session = this.get(sessionId);
    if (!session) throw new FlotillaError('MEDIA_NOT_OPEN');
    return session;
  }

  get counts(): { sessions: number; producers: number; consumers: number } {
    const counts = { sessions: this.size, producers: 0, consumers: 0 };
    for (const { media } of this.values()) {
      counts.producers += media.counts.producers;
      counts.consumers += media.counts.consumers;
    }
    return counts;
  }

  /** Those on a worker. */
  on(worker: PooledWorker): MediaSession[] {
    return [...this.values()].filter(({ roomRouter }) => roomRouter.worker === worker);
  }

  /** Ids of the publications that have a producer here. */
  publicationIds(): string[] {
    return [...this.values()].flatMap(({ media }) => media.publicationIds);
  }

  #publisherOf(publicationId: string): MediaSession | undefined {
    for (const session of this.values()) if (session.media.findProducer(publicationId)) return session;
    return undefined;
  }

  /** The session's media that has the producer of a publication. */
  publisherOf(publicationId: string): PeerMedia | undefined {
    return this.#publisherOf(publicationId)?.media;
  }

  /** The producer of a publication, and its router. Throws PUBLICATION_NOT_FOUND. */
  requireProducer(publicationId: string): { producer: Producer; router: Router } {
    const publisher = this.#publisherOf(publicationId);
    const producer = publisher?.media.findProducer(publicationId);
    if (!producer) throw new FlotillaError('PUBLICATION_NOT_FOUND', 'its producer is closed');
    return { producer, router: publisher!.roomRouter.router };
  }
}
