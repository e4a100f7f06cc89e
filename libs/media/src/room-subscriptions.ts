import {
  type CommandReply,
  FlotillaError,
  type PublicationRecord,
  type RoomEvent,
  type Subscription,
} from '@flotilla/contracts';
import { KeyedQueue, type Logger } from '@flotilla/runtime';
import type { MigrationStore, RoomStore } from '@flotilla/store';
import type { RoomLayers } from './layers/room-layers.ts';
import { type MediaSession, type MediaSessions, requireGrant } from './media-session.ts';
import type { SubscriptionChange } from './peer-media.ts';
import type { RoomPipes } from './pipes/room-pipes.ts';
import type { LinkUse, RouterLinks } from './router-links.ts';

export interface RoomSubscriptionsOptions {
  readonly roomId: string;
  readonly nodeId: string;
  readonly rooms: RoomStore;
  readonly migrations: MigrationStore;
  readonly pipes: RoomPipes;
  /** What crosses between the room's routers on this node. */
  readonly links: RouterLinks;
  readonly layers: RoomLayers;
  /** Appends an event to the room's stream. */
  readonly append: (event: RoomEvent) => void;
  readonly log: Logger;
}

/** Time within which the subscriptions that end with a pipe are collected for one event, in milliseconds. */
const lostWithinMs = 20;

/**
 * The subscriptions of a room's sessions on this node. Requests about one publication of one session take turns, in the order
 * of their arrival; what they decide on is read when they arrive, so the last request has the newest state.
 */
export class RoomSubscriptions {
  readonly #queue = new KeyedQueue();
  /** Subscriptions that ended with their pipe, and whose clients are not notified yet. */
  readonly #lost = new Map<MediaSession, string[]>();
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
            const subscription = await this.#subscribeTo(session, publication);
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

  async #subscribeTo(session: MediaSession, publication: PublicationRecord): Promise<Subscription> {
    const { media, roomRouter } = session;
    const { router } = roomRouter;
    const { producer, release, isLost } = await this.#use(session, publication);
    try {
      const { subscription, created } = await media.subscribe(publication, producer, router);
      if (!created) release();
      else {
        const consumer = media.findConsumer(publication.id);
        if (consumer) this.#options.layers.add(consumer);
        media.onUnsubscribed(publication.id, () => {
          release();
          if (isLost()) this.#onLost(session, publication.id);
        });
      }
      return subscription;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** The producer of a publication in the session's router. `isLost`: see IncomingUse. */
  async #use(
    { roomRouter: { router, speakers } }: MediaSession,
    publication: PublicationRecord,
  ): Promise<LinkUse & { isLost: () => boolean }> {
    const { nodeId, pipes, links } = this.#options;
    if (publication.nodeId === nodeId) {
      const source = this.#sessions.requireProducer(publication.id);
      const { producer, release } = await links.use(source.producer, source.router, router);
      // A producer of this router is observed since it was published.
      if (source.router !== router) await speakers.addPiped(producer).catch(releasing(release));
      return { producer, release, isLost: () => false };
    }
    const incoming = await pipes.use(publication);
    const link = await links.use(incoming.producer, incoming.router, router).catch(releasing(incoming.release));
    const release = (): void => {
      link.release();
      incoming.release();
    };
    await speakers.addPiped(link.producer).catch(releasing(release));
    return { producer: link.producer, release, isLost: incoming.isLost };
  }

  /**
   * A subscription to a publication of another node ended while the publication continues: its client is told to subscribe again,
   * unless it has done so.
   */
  #onLost(session: MediaSession, publicationId: string): void {
    if (session.media.closed || session.isLeft || session.media.findConsumer(publicationId)) return;
    const known = this.#lost.get(session);
    if (known) return void known.push(publicationId);
    const lost = [publicationId];
    this.#lost.set(session, lost);
    // Those of one pipe end at the same time; what is subscribed to again meanwhile stays.
    setTimeout(() => {
      this.#lost.delete(session);
      const ended = lost.filter((id) => !session.media.findConsumer(id));
      if (!session.media.closed && ended.length > 0) this.#appendEnd(session, ended);
    }, lostWithinMs);
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
      publicationIds.map((id) =>
        this.#queue.run(`${sessionId} ${id}`, () => {
          const consumer = media.findConsumer(id);
          if (consumer) this.#options.layers.choose(consumer, change);
          return media.updateSubscription(id, change);
        }),
      ),
    );
  }

  /** Notifies the client of subscriptions that its new node does not have. */
  notifyOfEnd({ media }: Pick<MediaSession, 'media'>, publicationIds: readonly string[]): void {
    const ended = publicationIds.filter((id) => media.findConsumer(id));
    if (ended.length > 0) this.#appendEnd({ media }, ended);
  }

  #appendEnd({ media }: Pick<MediaSession, 'media'>, publicationIds: readonly string[]): void {
    this.#options.append({
      type: 'subscriptions_ended',
      from: 'system',
      only: [media.id],
      payload: { nodeId: this.#options.nodeId, publicationIds: [...publicationIds] },
    });
  }
}

/** A handler of rejections that releases what the caller holds. */
const releasing =
  (release: () => void) =>
  (error: unknown): never => {
    release();
    throw error;
  };
