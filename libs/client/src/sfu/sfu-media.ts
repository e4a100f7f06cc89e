import {
  FlotillaError,
  type MediaSessionParameters,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  type RoomEventPayload,
  type Subscription,
} from '@flotilla/contracts';
import type { Device } from 'mediasoup-client';
import type { Consumer } from 'mediasoup-client/types';
import { producerOptions, type VideoCodec } from '../media/encodings.ts';
import { firstMedia } from './first-media.ts';
import { MediaLink, type RoomRequest } from './media-link.ts';
import { migrate, type MigrationHost } from './migration.ts';
import type { LocalPublication, RemotePublication } from '../publication.ts';

/** A subscription or a media connection that fails is tried again after these pauses, in milliseconds. */
const retryPausesMs = [250, 500, 1000, 2000, 4000, 8000] as const;

/** What a room's media needs of the room, and tells it. */
export interface SfuMediaHost {
  readonly device: Device;
  readonly iceServers: RTCIceServer[];
  /** Whether all that is published is received without being asked for. */
  readonly subscribesByItself: boolean;
  /** False once the room is over. */
  readonly goesOn: boolean;
  readonly request: RoomRequest;
  /** What others publish, and what we do. */
  published(): RemotePublication[];
  find(publicationId: string): RemotePublication | undefined;
  readonly mine: ReadonlyMap<string, LocalPublication>;
  codecOf(publication: LocalPublication): VideoCodec | undefined;
  trackChanged(publication: RemotePublication, track: MediaStreamTrack | undefined): void;
  /** What came another way before plays from here now. */
  tookOver(publicationId: string): void;
  /** Asks anew for what was asked of the publication. */
  askAgain(publication: RemotePublication): void;
  /** Puts all that we publish onto the connection that was just opened. */
  republish(): Promise<unknown>;
  mediaChanged(state: 'lost' | 'restored'): void;
  migrated(move: { readonly fromNode: string; readonly toNode: string; readonly ms: number }): void;
  migrationFailed(error: FlotillaError): void;
  /** The media can't be brought back. */
  failed(error: FlotillaError): void;
}

/** A room's media by way of SFU nodes: what is received and published, over one node after the other. */
export class SfuMedia {
  #link: MediaLink | undefined;
  /** The side that we moved away from; it goes on until the others have followed. */
  #former: MediaLink | undefined;
  #migration: { readonly id: string; readonly abort: AbortController; readonly ended: Promise<void> } | undefined;
  #reopening: Promise<void> | undefined;
  readonly #toSubscribe = new Set<string>();

  constructor(private readonly host: SfuMediaHost) {}

  /** What media goes by now; undefined while there is none. */
  get link(): MediaLink | undefined {
    return this.#link;
  }

  /** The same, where there must be one. While it is being brought back for the first time, it is waited for. */
  async opened(): Promise<MediaLink> {
    if (!this.#link) await this.#reopening;
    return this.#open;
  }

  get #open(): MediaLink {
    if (!this.#link) throw new FlotillaError('MEDIA_NOT_OPEN', 'the media connection is being brought back');
    return this.#link;
  }

  /** Asks the node that our media is on, and while we move, the one whose media we use. */
  request<T extends RequestType>(type: T, payload: RequestPayload<T>): Promise<ReplyPayload<T>> {
    return this.#link ? this.#link.request(type, payload) : this.host.request(type, payload);
  }

  receiverOf(track: MediaStreamTrack): RTCRtpReceiver | undefined {
    return this.#link?.receiverOf(track) ?? this.#former?.receiverOf(track);
  }

  #newLink(media: MediaSessionParameters, request: RoomRequest): MediaLink {
    return new MediaLink(
      this.host.device,
      media,
      request,
      (broken) => {
        if (broken === this.#link) this.reopen();
      },
      this.host.iceServers,
    );
  }

  /** Uses the transports of a node from now on. What the node sends already is received first, then what is missing. */
  async use(media: MediaSessionParameters): Promise<void> {
    const link = this.#newLink(media, this.host.request);
    const former = this.#link;
    this.#link = link;
    await this.#receive(link, media.subscriptions);
    former?.close();
    this.#subscribeMissing();
  }

  /** What still goes by the node that we moved away from ends now. */
  closeFormer(): void {
    this.#former?.close();
  }

  close(): void {
    void this.#endMigration('MIGRATION_NOT_ACTIVE');
    this.#link?.close();
    this.#former?.close();
    this.#link = undefined;
  }

  // Receiving.

  /** Something was announced: plays it if it comes already, asks for it if it is wanted. */
  announced(publication: RemotePublication): void {
    const received = this.#link?.consumer(publication.id);
    if (received?.producerId === publication.announced.producerId) this.#play(publication, received);
    else if (publication.wanted && this.#link) this.#subscribeSoon(publication.id);
  }

  drop(publicationId: string): void {
    this.#toSubscribe.delete(publicationId);
    this.#link?.drop(publicationId);
  }

  /** Asks for what is wanted and not received, or received of a producer that another took the place of meanwhile. */
  #subscribeMissing(): void {
    const missing = this.host
      .published()
      .filter(({ id, wanted, announced }) => wanted && this.#link?.consumer(id)?.producerId !== announced.producerId);
    if (missing.length > 0) void this.subscribe(missing.map(({ id }) => id));
  }

  async #receive(link: MediaLink, subscriptions: readonly Subscription[]): Promise<void> {
    const consumers = await link.receive(subscriptions);
    if (link !== this.#link) return;
    for (const [publicationId, consumer] of consumers) {
      const publication = this.host.find(publicationId);
      // Of a publication whose announcement is still on its way; `announced` finds the consumer then.
      if (!publication) continue;
      this.#play(publication, consumer);
      // A new subscription knows nothing of what was asked of the one before.
      if (Object.keys(publication.wishes).length > 0) this.host.askAgain(publication);
    }
  }

  /** Plays what comes; in place of something that is playing only once there is a picture. */
  #play(publication: RemotePublication, consumer: Consumer): void {
    const { track } = publication;
    if (!track || track === consumer.track) return this.host.trackChanged(publication, consumer.track);
    const link = this.#link;
    void firstMedia(consumer, { inPlaceOf: link?.formerConsumer(publication.id) }).then(() => {
      if (this.#link !== link || link?.consumer(publication.id) !== consumer) return;
      this.host.trackChanged(publication, consumer.track);
      link.letGoOfFormer(publication.id);
      this.host.tookOver(publication.id);
    });
  }

  /** Collects what is announced in one turn into one request. */
  #subscribeSoon(publicationId: string): void {
    if (this.#toSubscribe.size === 0) {
      setTimeout(() => {
        const ids = [...this.#toSubscribe];
        this.#toSubscribe.clear();
        if (ids.length > 0) void this.subscribe(ids);
      });
    }
    this.#toSubscribe.add(publicationId);
  }

  /** Asks for publications until they come, are gone, or turn out not to be receivable. */
  async subscribe(publicationIds: readonly string[], attempt = 0): Promise<void> {
    const link = this.#link;
    const wanted = publicationIds.filter((id) => this.host.find(id)?.wanted);
    if (!link || link.closed || wanted.length === 0 || !this.host.goesOn) return;
    let again: string[];
    try {
      const { subscriptions, failed } = await link.request('subscribe', { publicationIds: wanted });
      await this.#receive(link, subscriptions);
      again = failed
        .filter(({ error }) => error.code !== 'MEDIA_UNSUPPORTED')
        .map(({ publicationId }) => publicationId);
    } catch (error) {
      // Media that is gone is opened anew, and brings its subscriptions along.
      if (FlotillaError.from(error).code === 'MEDIA_NOT_OPEN') {
        if (link === this.#link) this.reopen();
        return;
      }
      again = wanted;
    }
    const pause = retryPausesMs[attempt];
    if (again.length === 0 || pause === undefined) return;
    setTimeout(() => void this.subscribe(again, attempt + 1), pause);
  }

  // Publishing.

  /** Puts a producer behind a publication of ours: one that the room knows by that id, or a new one. */
  async publish(publication: LocalPublication, publicationId: string | undefined): Promise<void> {
    await this.#publishOn(this.#open, publication, publicationId);
  }

  async #publishOn(link: MediaLink, publication: LocalPublication, publicationId: string | undefined): Promise<void> {
    const { track } = publication;
    if (!track || track.readyState === 'ended') return;
    const { source, label, muted } = publication.announced;
    const options = producerOptions(this.host.device, track, source, this.host.codecOf(publication));
    const { producer, publication: announced } = await link.publish(
      { source, label, muted, publicationId },
      { track, ...options },
    );
    // It may have been muted meanwhile.
    if (publication.muted) producer.pause();
    publication.producer = producer;
    publication.announced = { ...announced, muted: publication.muted };
  }

  // Another node.

  /** The room moves our media to another node. The old one goes on until we are on the new. */
  async migrate(migration: RoomEventPayload<'migrate'>): Promise<void> {
    // One at a time: another is only asked for when this one is over for the room.
    while (this.#migration) await this.#endMigration('MIGRATION_NOT_ACTIVE');
    const former = this.#link;
    if (!former || this.#reopening) return;
    const abort = new AbortController();
    const ended = this.#changeNode(migration, former, abort.signal);
    this.#migration = { id: migration.migrationId, abort, ended };
    await ended;
    this.#migration = undefined;
  }

  /** The room undid it. */
  migrationUndone(migrationId: string): void {
    if (this.#migration?.id === migrationId) void this.#endMigration('MIGRATION_NOT_ACTIVE');
  }

  async #endMigration(code: 'MIGRATION_NOT_ACTIVE' | 'MEDIA_NOT_OPEN'): Promise<void> {
    this.#migration?.abort.abort(new FlotillaError(code));
    await this.#migration?.ended;
  }

  /** Never rejects: what kept us from moving is told. */
  async #changeNode(migration: RoomEventPayload<'migrate'>, former: MediaLink, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    try {
      await migrate(this.#migrationHost(former, signal), migration, former);
      const { nodeId: toNode } = migration.media;
      this.host.migrated({ fromNode: former.nodeId, toNode, ms: performance.now() - began });
      this.#subscribeMissing();
    } catch (error) {
      this.host.migrationFailed(FlotillaError.from(error));
    }
  }

  #migrationHost(former: MediaLink, signal: AbortSignal): MigrationHost {
    const { host } = this;
    return {
      signal,
      request: host.request,
      openLink: (media, request) => this.#newLink(media, request),
      shows: (id, producerId) => {
        const publication = host.find(id);
        if (!publication || (producerId !== undefined && publication.announced.producerId !== producerId)) return false;
        return publication.wanted && !publication.muted && !publication.wishes.paused;
      },
      applyWishes: async (request, ids) => {
        for (const id of ids) {
          const wishes = host.find(id)?.wishes ?? {};
          if (Object.keys(wishes).length > 0)
            await request('update_subscriptions', { publicationIds: [id], ...wishes });
        }
      },
      use: (link, consumers) => {
        this.#link = link;
        this.#former = link === former ? undefined : former;
        for (const publication of host.published()) {
          const consumer = consumers.get(publication.id) ?? link.consumer(publication.id);
          if (consumer) host.trackChanged(publication, consumer.track);
        }
      },
      publishOn: async (link) => {
        const before = [...host.mine.values()].map((publication) => ({
          publication,
          producer: publication.producer,
          announced: publication.announced,
        }));
        const takeBack = (): void => {
          for (const { publication, producer, announced } of before) {
            publication.producer = producer;
            publication.announced = { ...announced, muted: publication.muted };
          }
        };
        try {
          await Promise.all(before.map(({ publication }) => this.#publishOn(link, publication, publication.id)));
        } catch (error) {
          takeBack();
          throw error;
        }
        return takeBack;
      },
    };
  }

  /** The node, or its worker, lost our media: opens it anew, there or elsewhere, and publishes again what we published. */
  reopen(): void {
    this.#reopening ??= this.#reopen()
      .catch((error: unknown) => this.host.failed(FlotillaError.from(error)))
      .finally(() => (this.#reopening = undefined));
  }

  async #reopen(): Promise<void> {
    const { host } = this;
    // Moving to the SFU loses nothing.
    const lost = this.#link !== undefined;
    if (lost) host.mediaChanged('lost');
    // The side we would go back to is gone.
    await this.#endMigration('MEDIA_NOT_OPEN');
    // The old link stays until the new one is used: its last frames are better than none.
    for (let attempt = 0; host.goesOn; attempt++) {
      try {
        const rtpCapabilities = host.device
          .recvRtpCapabilities as unknown as RequestPayload<'open_media'>['rtpCapabilities'];
        await this.use(await host.request('open_media', { rtpCapabilities, subscribe: host.subscribesByItself }));
        await host.republish();
        if (lost) host.mediaChanged('restored');
        return;
      } catch (error) {
        const pause = retryPausesMs[attempt];
        if (pause === undefined) throw error;
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }
}
