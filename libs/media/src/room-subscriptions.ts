import {
  type CommandReply,
  FlotillaError,
  type PublicationRecord,
  type RoomEvent,
  type Subscription,
} from '@flotilla/contracts';
import { KeyedQueue, type Logger } from '@flotilla/runtime';
import type { MigrationStore, RoomStore } from '@flotilla/store';
import type { Router } from 'mediasoup/types';
import { type MediaSession, type MediaSessions, requireGrant } from './media-session.ts';
import type { PeerMedia, SubscriptionChange } from './peer-media.ts';
import type { RoomPipes } from './pipes/room-pipes.ts';
import type { SpeakerDetector } from './speakers.ts';

export interface RoomSubscriptionsOptions {
  readonly roomId: string;
  readonly nodeId: string;
  readonly router: Router;
  readonly rooms: RoomStore;
  readonly migrations: MigrationStore;
  readonly speakers: SpeakerDetector;
  readonly pipes: RoomPipes;
  /** Appends an event to the room's stream. */
  readonly append: (event: RoomEvent) => void;
  readonly log: Logger;
}

/**
 * The subscriptions of a room's sessions on this node. Requests about one publication of one session take turns, in the order
 * of their arrival; what they decide on is read when they arrive, so the last request has the newest state.
 */
export class RoomSubscriptions {
  readonly #queue = new KeyedQueue();
  readonly #sessions: MediaSessions;
  readonly #options: RoomSubscriptionsOptions;

  constructor(sessions: MediaSessions, options: RoomSubscriptionsOptions) {
    this.#sessions = sessions;
    this.#options = options;
  }

  /**
   * Subscribes to publications; one that fails does not delay the others. During a migration to another node it applies to this
   * node only, and `subscriptions_ended` follows the commit. Throws MEDIA_NOT_OPEN after the commit, FORBIDDEN
   * without the grant `subscribe`.
   */
  async subscribe(sessionId: string, publicationIds: readonly string[]): Promise<CommandReply<'sfu.subscribe'>> {
    const session = this.#sessions.require(sessionId);
    requireGrant(session, 'subscribe');
    const reading = this.#readForSubscribe(session, publicationIds);
    const reply = await this.subscribeAll(
      session,
      publicationIds,
      reading.then(({ publications }) => publications),
    );
    if ((await reading).isMoving) {
      const subscribed = reply.subscriptions.map(({ publicationId }) => publicationId);
      if (session.isLeft) this.notifyOfEnd(session, subscribed);
      else for (const id of subscribed) session.subscribedMeanwhile.add(id);
    }
    await this.#storeChoice(session);
    return reply;
  }

  /**
   * Stores what a session that was opened with `subscribe: false` subscribes to, so that a migration opens the same on its next
   * node. One write at a time; the last state is written.
   */
  async #storeChoice(session: MediaSession): Promise<void> {
    const { choice, media } = session;
    if (!choice) return;
    choice.isStale = true;
    if (choice.isWriting) return;
    const { roomId, rooms, log } = this.#options;
    const { rtpCapabilities } = choice;
    choice.isWriting = true;
    try {
      // The next node stores the choice once the participant was moved to it.
      while (choice.isStale && !media.closed && !session.isLeft) {
        choice.isStale = false;
        const publicationIds = media.subscribedIds;
        await rooms.describeMedia(roomId, media.participantId, { rtpCapabilities, subscribe: false, publicationIds });
      }
    } catch (error) {
      log.warn({ err: error, sessionId: media.id }, 'subscriptions not stored, a migration may not open them');
    } finally {
      choice.isWriting = false;
    }
  }

  async #readForSubscribe(
    { media: { participantId } }: MediaSession,
    publicationIds: readonly string[],
  ): Promise<{ publications: readonly PublicationRecord[]; isMoving: boolean }> {
    const { roomId, rooms, migrations, nodeId } = this.#options;
    // In this order: a commit in between is seen as one.
    const [migration, member, publications] = await Promise.all([
      migrations.of(roomId, participantId),
      rooms.member(roomId, participantId),
      rooms.publications(roomId, publicationIds),
    ]);
    if (migration?.toNode === nodeId) return { publications, isMoving: false };
    if (member?.nodeId !== nodeId)
      throw new FlotillaError('MEDIA_NOT_OPEN', `the participant is not assigned to ${nodeId} any more`);
    return { publications, isMoving: migration !== undefined };
  }

  /** As `subscribe`, with the publications as they are read. */
  async subscribeAll(
    session: MediaSession,
    publicationIds: readonly string[],
    reading: Promise<readonly PublicationRecord[]>,
  ): Promise<CommandReply<'sfu.subscribe'>> {
    // Awaited only when the first turn comes.
    reading.catch(() => undefined);
    const subscriptions: Subscription[] = [];
    const failed: CommandReply<'sfu.subscribe'>['failed'] = [];
    const { id: sessionId } = session.media;
    const subscribe = async (publicationId: string): Promise<void> => {
      try {
        subscriptions.push(
          await this.#queue.run(`${sessionId} ${publicationId}`, async () => {
            const publication = (await reading).find(({ id }) => id === publicationId);
            if (!publication) throw new FlotillaError('PUBLICATION_NOT_FOUND');
            const subscription = await this.#subscribeTo(session.media, publication);
            // The grant may have been lost while the consumer was created.
            if (!session.grants.includes('subscribe')) session.media.unsubscribe(publicationId);
            requireGrant(session, 'subscribe');
            return subscription;
          }),
        );
      } catch (error) {
        const failure = FlotillaError.from(error);
        this.#options.log.info({ err: failure, publicationId, sessionId }, 'subscription failed');
        failed.push({ publicationId, error: failure.body });
      }
    };
    await Promise.all([...new Set(publicationIds)].map(subscribe));
    await reading;
    return { subscriptions, failed };
  }

  async #subscribeTo(media: PeerMedia, publication: PublicationRecord): Promise<Subscription> {
    const { nodeId, router, pipes, speakers } = this.#options;
    if (publication.nodeId === nodeId) {
      const producer = this.#sessions.requireProducer(publication.id);
      return (await media.subscribe(publication, producer, router)).subscription;
    }
    const { producer, release } = await pipes.use(publication);
    try {
      await speakers.add(producer);
      const { subscription, created } = await media.subscribe(publication, producer, router);
      if (created) media.onUnsubscribed(publication.id, release);
      else release();
      return subscription;
    } catch (error) {
      release();
      throw error;
    }
  }

  async unsubscribe(sessionId: string, publicationIds: readonly string[]): Promise<void> {
    const session = this.#sessions.require(sessionId);
    const { media, subscribedMeanwhile } = session;
    await Promise.all(
      publicationIds.map((id) =>
        this.#queue.run(`${sessionId} ${id}`, async () => {
          media.unsubscribe(id);
          subscribedMeanwhile.delete(id);
        }),
      ),
    );
    await this.#storeChoice(session);
  }

  async update(sessionId: string, publicationIds: readonly string[], change: SubscriptionChange): Promise<void> {
    const { media } = this.#sessions.require(sessionId);
    await Promise.all(
      publicationIds.map((id) => this.#queue.run(`${sessionId} ${id}`, () => media.updateSubscription(id, change))),
    );
  }

  /** Notifies the client of subscriptions that its new node does not have. */
  notifyOfEnd({ media }: MediaSession, publicationIds: readonly string[]): void {
    const ended = publicationIds.filter((id) => media.findConsumer(id));
    if (ended.length === 0) return;
    this.#options.append({
      type: 'subscriptions_ended',
      from: 'system',
      only: [media.id],
      payload: { nodeId: this.#options.nodeId, publicationIds: ended },
    });
  }
}
