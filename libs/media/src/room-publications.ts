import { FlotillaError, newId, type Publication, type RemovalReason, type RoomEvent } from '@flotilla/contracts';
import { KeyedQueue, type Logger } from '@flotilla/runtime';
import type { RoomStore } from '@flotilla/store';
import type { Producer } from 'mediasoup/types';
import type { RoomLayers } from './layers/room-layers.ts';
import { type MediaSession, type MediaSessions, requireGrant } from './media-session.ts';
import type { PublishRequest } from './peer-media.ts';
import type { PublishLimits } from './publish-limits.ts';
import type { RoomPipes } from './pipes/room-pipes.ts';

export interface RoomPublicationsOptions {
  readonly roomId: string;
  readonly nodeId: string;
  readonly rooms: RoomStore;
  readonly pipes: RoomPipes;
  readonly limits: PublishLimits;
  readonly layers: RoomLayers;
  /** Appends an event to the room's stream. Rejects when that fails. */
  readonly append: (event: RoomEvent) => Promise<unknown>;
  readonly log: Logger;
}

/** A publication that has no id yet gets a new one. */
export type NewPublication = Omit<PublishRequest, 'publicationId'> & { readonly publicationId?: string | undefined };

/**
 * The publications of a room's sessions on this node: their producers, and the room's records of them. Requests about one
 * publication from its session take turns, in the order of their arrival; another session that names it takes no turn of theirs.
 */
export class RoomPublications {
  readonly #queue = new KeyedQueue();
  readonly #sessions: MediaSessions;
  readonly #options: RoomPublicationsOptions;

  constructor(sessions: MediaSessions, options: RoomPublicationsOptions) {
    this.#sessions = sessions;
    this.#options = options;
  }

  /**
   * Publishes, or replaces the producer of the publication that is named. One that the room does not have is added under its
   * id: a publication that was sent directly between two participants keeps its id.
   *
   * The grant is checked before there is a producer, and by the store when the publication is added.
   */
  publish(sessionId: string, { publicationId, ...rest }: NewPublication): Promise<Publication> {
    const request: PublishRequest = { publicationId: publicationId ?? newId('publication'), ...rest };
    return this.#inTurn(sessionId, request.publicationId, async (session) => {
      const { rooms, roomId, nodeId, layers } = this.#options;
      requireGrant(session, 'publish');
      this.#options.limits.requireAllowed(sessionId);
      const { media, roomRouter } = session;
      const { participantId } = media;
      // Before the producer exists: subscribers find it by the id.
      const [known] = publicationId === undefined ? [] : await rooms.publications(roomId, [publicationId]);
      if (known && known.participantId !== participantId) throw new FlotillaError('PUBLICATION_NOT_FOUND');
      let publication!: Publication;
      let isAnnounced = false;
      try {
        await media.publish(request, async (producer) => {
          publication = publicationOf(request, participantId, producer);
          await roomRouter.speakers.addOwn(producer);
          media.requireOpen();
          // Before others subscribe.
          layers.published(producer, (maxSpatialLayer) =>
            this.#options.append({
              type: 'subscribed_layers',
              from: 'system',
              only: [sessionId],
              payload: { publicationId: publication.id, producerId: producer.id, maxSpatialLayer },
            }),
          );
          await rooms.putPublication(roomId, { ...publication, nodeId });
          isAnnounced = true;
        });
      } catch (error) {
        // Closed while it was announced: nothing else would remove it.
        if (isAnnounced) await rooms.removePublication(roomId, participantId, publication.id);
        throw error;
      }
      return publication;
    });
  }

  #inTurn<T>(sessionId: string, publicationId: string, work: (session: MediaSession) => Promise<T>): Promise<T> {
    return this.#queue.run(`${sessionId} ${publicationId}`, async () => work(this.#sessions.require(sessionId)));
  }

  unpublish(sessionId: string, publicationId: string): Promise<void> {
    return this.#inTurn(sessionId, publicationId, async ({ media }) => {
      const { rooms, roomId } = this.#options;
      const removed = await rooms.removePublication(roomId, media.participantId, publicationId);
      media.findProducer(publicationId)?.close();
      if (!removed) throw new FlotillaError('PUBLICATION_NOT_FOUND');
    });
  }

  /** Ends a publication of a session, as its node decides. Nothing happens when it has ended meanwhile. */
  end(sessionId: string, publicationId: string, reason: RemovalReason): Promise<void> {
    return this.#inTurn(sessionId, publicationId, async ({ media }) => {
      const { rooms, roomId } = this.#options;
      media.findProducer(publicationId)?.close();
      await rooms.removePublication(roomId, media.participantId, publicationId, reason);
    });
  }

  /**
   * Mutes or unmutes the producer on this node. The room's record follows unless it is that of another producer: during a
   * migration, the one on the new node.
   */
  mute(sessionId: string, publicationId: string, muted: boolean): Promise<void> {
    return this.#inTurn(sessionId, publicationId, async ({ media }) => {
      const { rooms, roomId } = this.#options;
      const producer = media.findProducer(publicationId);
      const [known] = await rooms.publications(roomId, [publicationId]);
      if (!producer || producer.closed || !known) throw new FlotillaError('PUBLICATION_NOT_FOUND');
      await (muted ? producer.pause() : producer.resume());
      if (known.producerId !== producer.id || known.muted === muted) return;
      await rooms.putPublication(roomId, { ...known, muted }).catch((error: unknown) => {
        // The new node's producer took its place since the record was read.
        if (FlotillaError.from(error).code !== 'MIGRATION_RUNNING') throw error;
      });
    });
  }

  /** Closes what is left here of a removed publication, unless it was published again since the event. */
  async onRemoved(publicationId: string): Promise<void> {
    const { rooms, roomId, pipes, log } = this.#options;
    const publisher = this.#sessions.publisherOf(publicationId);
    if (!publisher && !pipes.has(publicationId)) return;
    const close = (): void => {
      if (publisher) this.#sessions.publisherOf(publicationId)?.findProducer(publicationId)?.close();
      pipes.remove(publicationId);
    };
    try {
      await this.#queue.run(`${publisher?.id} ${publicationId}`, async () => {
        const [known] = await rooms.publications(roomId, [publicationId]);
        if (!known) close();
      });
    } catch (error) {
      log.warn({ err: error, publicationId }, 'removed publication not looked up, closing its media');
      close();
    }
  }
}

function publicationOf(
  { publicationId, kind, source, label, muted }: PublishRequest,
  participantId: string,
  producer: Producer,
): Publication {
  return {
    id: publicationId,
    participantId,
    kind,
    source,
    ...(label !== undefined && { label }),
    codec: producer.rtpParameters.codecs[0]!.mimeType,
    muted,
    producerId: producer.id,
  };
}
