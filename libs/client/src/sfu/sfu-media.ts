import {
  FlotillaError,
  type MediaSessionParameters,
  type RequestPayload,
  type RequestType,
  type RoomEventPayload,
} from '@flotilla/contracts';
import { noProducer, type RoomState } from '../room/room-state.ts';
import { BandwidthLimits } from './bandwidth-limits.ts';
import { SfuLinks } from './links.ts';
import { MediaLink, type RoomRequest } from './media-link.ts';
import { type Measurement, reportMedia } from './media-report.ts';
import { Migration } from './migration.ts';
import { SfuPublisher } from './publisher.ts';
import { retryPausesMs } from './retry.ts';
import { StallWatch } from './stall-watch.ts';
import { SubscribedLayers } from './subscribed-layers.ts';
import { Subscriptions } from './subscriptions.ts';
import { Unreceivable } from './unreceivable.ts';

/** Requests that may be repeated as they are when their reply is lost. */
const idempotent: ReadonlySet<RequestType> = new Set(['connect_transport', 'restart_ice', 'update_subscriptions']);
const repeatWithinMs = 15_000;
/** How long lost media is requested again while no answer arrives, in milliseconds: longer than a lost session can be resumed. */
const reopenWithinMs = 120_000;
/** Time within which the loss of a node is detected, in milliseconds. */
const detectedWithinMs = 10_000;

/** The media of a room by way of SFU nodes, over one node after the other. */
export class SfuMedia {
  readonly links = new SfuLinks();
  readonly publisher: SfuPublisher;
  readonly subscriptions: Subscriptions;
  readonly subscribedLayers = new SubscribedLayers(this.links);
  readonly #unreceivable = new Unreceivable();
  readonly #limits: BandwidthLimits;
  readonly #state: RoomState;
  /** Publishes every local publication on reopened media. */
  readonly #republish: () => Promise<void>;
  #stallWatch: StallWatch | undefined;
  #migration: Migration | undefined;
  /** The last migration that was committed as far as the client knows. */
  #lastMigrationId: string | undefined;
  #reopening: Promise<void> | undefined;
  /** Links whose transports their node has closed. */
  readonly #lost = new WeakSet<MediaLink>();

  constructor(state: RoomState, republish: () => Promise<void>) {
    this.#state = state;
    this.#republish = republish;
    this.publisher = new SfuPublisher(state, this.links);
    this.#limits = new BandwidthLimits(state, this.links);
    this.subscriptions = new Subscriptions(state, this.links, this.#unreceivable, () => this.reopen());
    state.changes.on('closed', () => {
      this.#stallWatch?.stop();
      this.close();
    });
    state.changes.on('grantsChanged', () => this.#applyGrants());
    state.changes.on('publicationRemoved', (id) => this.#unreceivable.forget(id));
    state.changes.on('directCallClosed', (remaining) => this.#takeOver(remaining));
  }

  #applyGrants(): void {
    const { mayHaveMedia, mediaMode } = this.#state;
    // The node has closed the transports.
    if (!mayHaveMedia) this.close();
    else if (mediaMode === 'sfu' && !this.links.current) this.reopen();
  }

  /** The current link. While media is reopened for the first time, it is awaited. */
  async opened(): Promise<MediaLink> {
    if (!this.links.current) await this.#reopening;
    return this.links.required;
  }

  #openLink(media: MediaSessionParameters, request: RoomRequest): MediaLink {
    return new MediaLink({
      device: this.#state.device,
      media,
      request,
      iceServers: () => this.#state.iceServers,
      unreceivable: this.#unreceivable,
      onBroken: (broken) => {
        if (broken === this.links.current) this.reopen();
      },
      onIceErrorChanged: () => this.#compareIceError(),
    });
  }

  /** Reports the ICE error of the link that media goes through. */
  #compareIceError(): void {
    this.#state.setMediaError('sfu', this.links.current?.iceError);
  }

  /**
   * Changes to the transports of a node: receives what it sends already, then requests what is missing.
   *
   * @param measured reported to the server when media arrives.
   */
  async use(media: MediaSessionParameters, measured?: Measurement): Promise<void> {
    const request: RoomRequest = (type, payload) => {
      const send = () => this.#state.request(type, payload);
      return idempotent.has(type) ? this.#state.repeat(send, repeatWithinMs) : send();
    };
    const link = this.#openLink(media, request);
    const replaced = this.links.current;
    this.links.current = link;
    if (this.#state.isOpen) this.#watchForStalls();
    if (measured) void reportMedia(this.#state, this.links, measured);
    this.#compareIceError();
    this.#limits.apply();
    await this.subscriptions.receive(link, media.subscriptions);
    replaced?.close();
    if (link === this.links.current) this.subscriptions.compareAll();
  }

  /** When the node stops sending, its machine may have failed, and the gateway may be on the same machine. */
  #watchForStalls(): void {
    this.#stallWatch ??= new StallWatch(
      () => this.links.current?.receivers ?? [],
      () => this.#state.session.probe(),
    );
  }

  close(): void {
    this.#migration?.abort('MIGRATION_NOT_ACTIVE');
    this.links.close();
    this.#compareIceError();
    this.#limits.apply();
  }

  // Migration.

  /** The server migrates this session to another node. */
  async migrate(event: RoomEventPayload<'migrate'>): Promise<void> {
    // The server starts another migration only when the one before is over.
    while (this.#migration) await this.#endMigration('MIGRATION_NOT_ACTIVE');
    const previous = this.links.current;
    if (!previous || this.#reopening || !this.#state.isOpen) return;
    const migration = new Migration(event, {
      state: this.#state,
      links: this.links,
      publisher: this.publisher,
      subscriptions: this.subscriptions,
      limits: this.#limits,
      openLink: (media, request) => this.#openLink(media, request),
    });
    this.#migration = migration;
    const startedAt = performance.now();
    try {
      await migration.run(previous);
      this.#lastMigrationId = migration.id;
      const { nodeId: toNode } = event.media;
      this.#state.emit('migrated', { fromNode: previous.nodeId, toNode, ms: performance.now() - startedAt });
    } catch (error) {
      this.#state.emit('migrationFailed', FlotillaError.from(error));
    } finally {
      this.#migration = undefined;
      this.#compareIceError();
      this.#limits.apply();
    }
    if (this.links.current && this.#lost.has(this.links.current)) return this.reopen();
    this.subscriptions.compareAll();
  }

  /** The server rolled a migration back. */
  migrationRolledBack(migrationId: string): void {
    if (this.#migration?.id === migrationId) this.#migration.abort('MIGRATION_NOT_ACTIVE');
    // Its commit was never answered, and the previous link is closed: both links are lost.
    else if (this.#lastMigrationId === migrationId) this.reopen();
  }

  /** The server committed a migration of this session. */
  migrationCommitted(migrationId: string): void {
    if (this.#migration?.id === migrationId) this.#migration.committed();
  }

  /** A node closed subscriptions whose publications continue. During a migration, what either node closed is compared when it is over. */
  subscriptionsEnded(nodeId: string, publicationIds: readonly string[]): void {
    for (const link of this.links.active) if (link.nodeId === nodeId) this.subscriptions.ended(link, publicationIds);
  }

  /** A node closed the transports of this session; without `nodeId`, the node that the session is assigned to. */
  mediaLost(nodeId?: string): void {
    const { current, next, previous } = this.links;
    for (const link of [current, next, previous]) if (link && link.nodeId === nodeId) this.#lost.add(link);
    if (!nodeId || !current || this.#lost.has(current)) this.reopen();
    else if (next && this.#lost.has(next)) this.#migration?.abort('MEDIA_NOT_OPEN');
  }

  /** A node notified what it has paused because the downlink is too narrow. */
  subscriptionsLimited(transportId: string, publicationIds: readonly string[]): void {
    this.#limits.set(transportId, publicationIds);
  }

  /** Events were missed: what is paused is not known until a node notifies again. */
  eventsMissed(): void {
    this.#limits.clear();
  }

  async #endMigration(code: 'MIGRATION_NOT_ACTIVE' | 'MEDIA_NOT_OPEN'): Promise<void> {
    const migration = this.#migration;
    migration?.abort(code);
    await migration?.ended;
  }

  // Reopening.

  get isReopening(): boolean {
    return this.#reopening !== undefined;
  }

  /** Opens media again after the node or its worker lost it, there or on another node, and publishes again. */
  reopen(): void {
    if (!this.#state.mayHaveMedia) return;
    this.#reopening ??= this.#reopen()
      .catch((error: unknown) => this.#state.close(FlotillaError.from(error)))
      .finally(() => {
        this.#reopening = undefined;
        // The new link was lost, too, before it was complete.
        if (this.links.current && this.#lost.has(this.links.current)) this.reopen();
      });
  }

  /** When the last packet arrived, unless everybody had paused long before. By `performance.now`. */
  #lostSince(): number {
    const now = performance.now();
    const at = this.#stallWatch?.lastPacketAt ?? now;
    return now - at < detectedWithinMs ? at : now;
  }

  async #reopen(): Promise<void> {
    const state = this.#state;
    // Changing from a direct call to the SFU loses nothing.
    const isLost = this.links.current !== undefined;
    const lost = { measure: 'recovery', since: this.#lostSince() } as const;
    if (isLost) state.emit('mediaChanged', 'lost');
    await this.#endMigration('MEDIA_NOT_OPEN');
    // The lost link stays until another one is used: its last frames are better than none.
    let lostLink = this.links.current;
    // Joining again with a new session opens media, too. Without a link, media was closed with the grants.
    const isSuperseded = (): boolean => this.links.current !== undefined && this.links.current !== lostLink;
    const until = performance.now() + reopenWithinMs;
    const restored = (): void => {
      if (isLost) state.emit('mediaChanged', 'restored');
    };
    for (let attempt = 0; state.isOpen && state.mayHaveMedia; attempt++) {
      try {
        const rtpCapabilities = state.device
          .recvRtpCapabilities as unknown as RequestPayload<'open_media'>['rtpCapabilities'];
        const subscribe = state.subscribesAutomatically;
        const media = await state.repeat(
          () =>
            isSuperseded() ? Promise.reject(superseded()) : state.request('open_media', { rtpCapabilities, subscribe }),
          until - performance.now(),
        );
        if (!state.isOpen) return;
        if (isSuperseded()) return restored();
        state.setIceServers(media);
        await this.use(media, isLost ? lost : undefined).finally(() => (lostLink = this.links.current));
        if (this.links.current?.cannotReceive)
          throw new FlotillaError('MEDIA_UNSUPPORTED', 'the browser refused a publication');
        await this.#republish();
        return restored();
      } catch (error) {
        if (isSuperseded()) return restored();
        // Each attempt whose link cannot receive leaves out one publication more, until nothing is left that the browser refuses.
        const pauseMs =
          retryPausesMs[attempt] ?? (this.links.current?.cannotReceive ? retryPausesMs.at(-1) : undefined);
        if (pauseMs === undefined) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  /** Publications that the direct call no longer delivers: they are received from the SFU, or ended. */
  #takeOver(publicationIds: readonly string[]): void {
    for (const id of publicationIds) {
      const publication = this.#state.findPublication(id);
      if (!publication) continue;
      const received = this.links.current?.consumer(id);
      if (received) this.#state.setTrack(publication, received.track);
      else if (publication.announced.producerId === noProducer)
        this.#state.removePublication(publication.participantId, id);
      else this.#state.setTrack(publication, undefined);
    }
  }
}

const superseded = (): FlotillaError => new FlotillaError('MEDIA_NOT_OPEN', 'media was opened with a new session');
