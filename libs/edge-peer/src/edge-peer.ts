import { setTimeout as pause } from 'node:timers/promises';
import { SignalSession, type SignalSessionHandlers } from '@flotilla/client/signal';
import {
  type ErrorCode,
  type Event,
  FlotillaError,
  type IceServer,
  type LeaveReason,
  maxPublicationsPerRequest,
  type MediaSessionParameters,
  migrationLingerMs,
  migrationTimeoutMs,
  type Publication,
  read,
  type ReplyPayload,
  roomAddress,
  type RoomEventPayload,
  type RoomEventType,
  roomEvents,
  type RtpCapabilities,
  type Subscription,
} from '@flotilla/contracts';
import type { SenderReport } from '@flotilla/rtp';
import { EdgeLink, type RoomRequest } from './link.ts';
import type { OutgoingTrack } from './track.ts';

/** A session with the fleet. `SignalSession` is one. */
export type PeerSession = Pick<SignalSession, 'welcome' | 'request' | 'setOffset' | 'close'>;

export interface EdgePeerOptions {
  /** URL of a signaling gateway. */
  readonly url: string;
  /** Returns a join token for each new session, and before a token expires, for the same user. */
  readonly token: () => Promise<string>;
  readonly room: string;
  readonly name?: string | undefined;
  /** Subscribes to all publications that it can receive. Default true. */
  readonly subscribe?: boolean;
  /** Media goes through the TURN servers of the fleet, over UDP. Default: directly. */
  readonly relayed?: boolean;
  readonly handlers?: EdgePeerHandlers;
  /** Opens the session. Default: one that resumes, and is replaced by a new one when it cannot be resumed. */
  readonly openSession?: (handlers: SignalSessionHandlers) => Promise<PeerSession>;
}

export interface EdgePeerHandlers {
  /** A subscription, before its first packet: of a new publication or a replaced producer, or on another node. */
  onSubscribed?(subscription: Subscription): void;
  /** An RTP packet of a remote publication. `now`: time of `performance.now()`. */
  onPacket?(publicationId: string, packet: Buffer, now: number): void;
  /** A sender report of a remote publication. */
  onSenderReport?(publicationId: string, report: SenderReport): void;
  /** No more packets of this SSRC follow: its subscription or its node was replaced, or a migration to its node was rolled back. */
  onStreamEnded?(publicationId: string, ssrc: number): void;
  /** An event of the room, after it has taken effect. */
  onRoomEvent?(event: Event): void;
  /** A publication ended, or its participant left. */
  onPublicationEnded?(publicationId: string): void;
  onMoved?(move: Move): void;
  /** Something failed, and the peer continues without it. */
  onProblem?(problem: string): void;
  /** Media was lost and could not be opened again. Not called before `join` resolved: it rejects instead. */
  onMediaFailed?(error: FlotillaError): void;
  /** The peer is not in the room any more, and did not close itself. Not called before `join` resolved: it rejects instead. */
  onClosed?(error: FlotillaError): void;
}

/** A migration of this peer. */
export interface Move {
  readonly fromNode: string;
  readonly toNode: string;
  /** From the `migrate` event to the reply to `migrated`, in milliseconds. */
  readonly ms: number;
  /** Duration of each step, in ms: transports and subscriptions, first packet of every video, republishing, `migrated`. */
  readonly steps: Readonly<Partial<Record<'transports' | 'firstVideo' | 'publish' | 'commit', number>>>;
  /** Why it was rolled back. */
  readonly error?: string;
}

const retryPausesMs = [100, 300, 1000, 3000] as const;
/** Pause between later attempts at subscriptions and lists, for as long as they fail. */
const laterRetryPauseMs = 10_000;
/** Errors of a subscription that an attempt with the same producer meets again. */
const finalSubscriptionErrors: ReadonlySet<string> = new Set(['MEDIA_UNSUPPORTED']);
/** Pause before `migrated` is sent again when it is unknown whether it was carried out. */
const commitPauseMs = 250;
const unanswered: ReadonlySet<string> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED']);

/** A participant without codecs, whose packets come from outside: joins, publishes, subscribes and migrates (docs/protocol.md). */
export class EdgePeer {
  readonly #publications = new Map<string, Publication>();
  /** Own publications, by id. */
  readonly #tracks = new Map<string, OutgoingTrack>();
  readonly #handlers: EdgePeerHandlers;
  /** Undefined while it is opened. */
  #session!: PeerSession;
  #capabilities!: RtpCapabilities;
  #toSubscribe = new Set<string>();
  /** Publications that could not be subscribed to with all attempts so far, and the last error. */
  readonly #failedSubscriptions = new Map<string, FlotillaError>();
  #laterRetry: NodeJS.Timeout | undefined;
  /** For each list of a large room that is being requested: publications that changed or ended meanwhile. */
  readonly #listings = new Set<Set<string>>();
  /** The snapshot after lost events that is being completed. A newer one replaces it. */
  #completing: symbol | undefined;
  /** Own publications of sessions that ended, by their previous ids, until a new session publishes them. */
  readonly #toRepublish = new Map<string, OutgoingTrack>();
  /** Remote publications of sessions that ended. Those that a new session has not are reported as ended. */
  readonly #toCompare = new Set<string>();
  #link!: EdgeLink;
  #previousLink: EdgeLink | undefined;
  /** While it migrates: the media on the new node. */
  #nextLink: EdgeLink | undefined;
  /** Settles with the running migration, and never rejects. */
  #migrating: Promise<void> | undefined;
  /** Publications that are requested and not in `#tracks` yet. */
  readonly #publishing = new Set<Promise<string>>();
  #reopening: Promise<void> | undefined;
  readonly #links = new Set<EdgeLink>();
  /** Links that carry nothing any more, and why. */
  readonly #lost = new WeakMap<EdgeLink, string>();
  #closed = false;
  /** `join` has resolved. */
  #joined = false;
  /** Why the peer ended, unless it closed itself. */
  #endError: FlotillaError | undefined;
  #relays: readonly IceServer[] | undefined;

  private constructor(private readonly options: EdgePeerOptions) {
    this.#handlers = options.handlers ?? {};
  }

  roomId!: string;
  participantId!: string;

  /** Joins a room. Resolves when its receive transport is connected. Throws FlotillaError with the server's reason. */
  static async join(options: EdgePeerOptions): Promise<EdgePeer> {
    const peer = new EdgePeer(options);
    const handlers: SignalSessionHandlers = {
      onEvent: (event) => peer.#onEvent(event),
      onDisconnected: () => undefined,
      onResumed: (rooms) => peer.#onResumed(rooms),
      onRestarted: () => peer.#restart(),
      onRefreshed: ({ iceServers }) => peer.#useRelays(iceServers),
      onEnded: (error) => peer.#end(error ?? new FlotillaError('NOT_IN_ROOM', 'the session was closed')),
    };
    const { url, token, openSession = (given) => SignalSession.open(url, token, given) } = options;
    try {
      peer.#session = await openSession(handlers);
      // It ended before it was assigned.
      if (peer.#closed) peer.#session.close();
      await peer.#join();
      if (peer.#endError) throw peer.#endError;
      peer.#joined = true;
      return peer;
    } catch (error) {
      peer.close();
      throw peer.#endError ?? error;
    }
  }

  async #join(): Promise<void> {
    const { room, name } = this.options;
    const { rtpCapabilities } = this.#session.welcome;
    if (!rtpCapabilities) throw new FlotillaError('NO_CAPACITY');
    this.#capabilities = receivable(rtpCapabilities);
    const { participantId, snapshot, media, iceServers } = await this.#session.request('join', {
      room,
      ...(name !== undefined && { name }),
      rtpCapabilities: this.#capabilities,
      subscribe: this.#subscribes,
    });
    if (!media) throw new FlotillaError('MEDIA_NOT_OPEN', `room ${room} is not in SFU mode`);
    this.#useRelays(iceServers);
    this.participantId = participantId;
    this.roomId = snapshot.room.id;
    this.#session.setOffset(this.roomId, snapshot.offset);
    this.#publications.clear();
    for (const publication of snapshot.publications) this.#publications.set(publication.id, publication);
    this.#link = await this.#openLink(media, this.#request);
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const event of early) this.#onEvent(event);
    this.#subscribeMissing();
    await this.#list(snapshot.next);
  }

  /** Events that arrived before the first link was open. */
  #early: Event[] | undefined = [];

  /** The SFU node that carries the media. */
  get nodeId(): string {
    return this.#link.nodeId;
  }

  /** Publications of the room, by id, including the own ones. */
  get publications(): ReadonlyMap<string, Publication> {
    return this.#publications;
  }

  /**
   * Publications that could not be subscribed to with several attempts, and the last error. Further attempts follow, except with
   * MEDIA_UNSUPPORTED.
   */
  get failedSubscriptions(): ReadonlyMap<string, FlotillaError> {
    const isMissing = (id: string): boolean => {
      const publication = this.#publications.get(id);
      return publication !== undefined && this.#isMissing(publication);
    };
    return new Map([...this.#failedSubscriptions].filter(([id]) => isMissing(id)));
  }

  /** Publishes a track, after a running migration or while media is opened again after that. Throws the error of the server. */
  async publish(track: OutgoingTrack): Promise<string> {
    while (this.#migrating || this.#reopening) await (this.#migrating ?? this.#reopening);
    const publishing = this.#publish(track);
    this.#publishing.add(publishing);
    try {
      return await publishing;
    } finally {
      this.#publishing.delete(publishing);
    }
  }

  async #publish(track: OutgoingTrack): Promise<string> {
    const { id } = await this.#link.publish(track);
    this.#tracks.set(id, track);
    return id;
  }

  async unpublish(publicationId: string): Promise<void> {
    this.#tracks.delete(publicationId);
    this.#toRepublish.delete(publicationId);
    for (const link of [this.#link, this.#previousLink]) link?.unpublish(publicationId);
    await this.#request('unpublish', { publicationId });
  }

  /** Sends a request about the room. Throws the error of the server. */
  readonly #request: RoomRequest = (type, payload) => this.#session.request(type, payload, roomAddress(this.roomId));

  get request(): RoomRequest {
    return this.#request;
  }

  /** Requests a key frame of each received video. */
  requestKeyFrames(): void {
    this.#link.requestKeyFrames();
  }

  /** Requests a key frame of one received video. No-op for an SSRC that is not received. */
  requestKeyFrame(ssrc: number): void {
    for (const link of new Set([this.#link, this.#nextLink, this.#previousLink])) link?.requestKeyFrame(ssrc);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#laterRetry);
    this.#closeMedia();
    (this.#session as PeerSession | undefined)?.close();
  }

  #closeMedia(): void {
    // During a migration, there is one on each node.
    for (const link of this.#links) link.close();
  }

  #end(error: FlotillaError): void {
    if (this.#closed) return;
    this.#endError = error;
    this.close();
    // After the caller of `join` has the peer.
    if (this.#joined) setImmediate(() => this.#handlers.onClosed?.(error));
  }

  #problem(problem: string): void {
    if (!this.#closed) this.#handlers.onProblem?.(problem);
  }

  // Signaling.

  #onEvent(event: Event): void {
    if (this.#closed) return;
    if (this.#early) {
      this.#early.push(event);
      return;
    }
    if (event.to !== roomAddress(this.roomId) || !Object.hasOwn(roomEvents, event.type)) return;
    const apply: { [K in RoomEventType]?: (payload: RoomEventPayload<K>) => void } = {
      publication_added: ({ publication }) => this.#put(publication),
      publication_updated: ({ publication }) => this.#put(publication),
      publication_removed: ({ publicationId }) => this.#drop(publicationId),
      participant_left: ({ participantId, reason, publicationIds }) => {
        for (const id of publicationIds) this.#drop(id);
        if (participantId === this.participantId)
          this.#end(new FlotillaError(leaveCodes[reason] ?? 'NOT_IN_ROOM', `removed from the room: ${reason}`));
      },
      room_deleted: () => this.#end(new FlotillaError('ROOM_NOT_FOUND', 'the room was deleted')),
      subscriptions_ended: (payload) => void this.#subscriptionsEnded(payload),
      migrate: (migration) => void this.#migrate(migration),
      media_lost: ({ participantIds, nodeId }) => {
        if (!participantIds.includes(this.participantId)) return;
        if (nodeId === undefined) return this.#reopen('media_lost');
        for (const link of this.#links) if (link.nodeId === nodeId) this.#lost.set(link, 'media_lost');
        this.#reopenIfLost();
      },
    };
    const type = event.type as RoomEventType;
    (apply[type] as ((payload: unknown) => void) | undefined)?.(read(roomEvents[type], event.payload));
    this.#handlers.onRoomEvent?.(event);
  }

  /** A node closed subscriptions whose publications continue. During a migration, it may be either node that the peer ends up on. */
  async #subscriptionsEnded({ nodeId, publicationIds }: RoomEventPayload<'subscriptions_ended'>): Promise<void> {
    while (this.#migrating) await this.#migrating;
    if (this.#closed || nodeId !== this.nodeId) return;
    for (const id of publicationIds) this.#link.forget(id);
    this.#subscribeMissing();
  }

  #onResumed(rooms: ReplyPayload<'resume'>['rooms']): void {
    const room = rooms.find(({ roomId }) => roomId === this.roomId);
    if (!room)
      return this.#end(new FlotillaError('NOT_IN_ROOM', 'removed from the room while the connection was lost'));
    // Their last attempt may have failed because of the connection.
    if (!room.snapshot) return this.#subscribeMissing();
    const { publications, next, offset } = room.snapshot;
    const inSnapshot = new Set(publications.map(({ id }) => id));
    const before = [...this.#publications.keys()].filter((id) => !this.#tracks.has(id) && !inSnapshot.has(id));
    for (const publication of publications) this.#put(publication);
    this.#session.setOffset(this.roomId, offset);
    void this.#complete(next, before);
    // Events were lost, perhaps those about the own media.
    this.#reopen('events were lost');
  }

  /**
   * Completes a snapshot after lost events.
   *
   * @param before publications before it that it does not have: they end, unless the other pages of a large room have them.
   */
  async #complete(next: string | undefined, before: readonly string[]): Promise<void> {
    const completing = Symbol('snapshot');
    this.#completing = completing;
    for (let attempt = 0; ; attempt++) {
      let listed: ReadonlySet<string> = new Set();
      try {
        if (next !== undefined) listed = await this.#list(next);
      } catch (error) {
        if (this.#closed || this.#completing !== completing) return;
        if (attempt === 0) this.#problem(`room not listed after lost events: ${String(error)}`);
        await pause(retryPausesMs[attempt] ?? laterRetryPauseMs, undefined, { ref: false });
        if (this.#closed || this.#completing !== completing) return;
        continue;
      }
      if (this.#completing !== completing) return;
      for (const id of before) if (this.#publications.has(id) && !listed.has(id)) this.#drop(id);
      return;
    }
  }

  /** Joins again with a new session, and publishes what was published with the previous one. */
  async #restart(): Promise<void> {
    // An attempt before may have failed.
    for (const [id, track] of this.#tracks) this.#toRepublish.set(id, track);
    for (const { id } of this.#remotePublications()) this.#toCompare.add(id);
    this.#closeMedia();
    this.#tracks.clear();
    this.#failedSubscriptions.clear();
    this.#completing = undefined;
    this.#early = [];
    await this.#join();
    for (const id of this.#toCompare) if (!this.#publications.has(id)) this.#handlers.onPublicationEnded?.(id);
    this.#toCompare.clear();
    for (const [id, track] of this.#toRepublish) {
      await this.publish(track);
      this.#toRepublish.delete(id);
    }
  }

  // Remote publications.

  #remotePublications(): Publication[] {
    return [...this.#publications.values()].filter(({ participantId }) => participantId !== this.participantId);
  }

  /** Lists the publications of a large room that the snapshot leaves out. Returns their ids, and those of events meanwhile. */
  async #list(first: string | undefined): Promise<ReadonlySet<string>> {
    const listed = new Set<string>();
    const changed = new Set<string>();
    this.#listings.add(changed);
    try {
      for (let cursor = first; cursor !== undefined && this.#subscribes;) {
        const { publications, next }: ReplyPayload<'list_participants'> = await this.#request('list_participants', {
          cursor,
        });
        for (const publication of publications) {
          listed.add(publication.id);
          if (!changed.has(publication.id)) this.#put(publication);
        }
        cursor = next;
      }
    } finally {
      this.#listings.delete(changed);
    }
    return new Set([...listed, ...changed]);
  }

  get #subscribes(): boolean {
    return this.options.subscribe ?? true;
  }

  #put(publication: Publication): void {
    this.#publications.set(publication.id, publication);
    for (const changed of this.#listings) changed.add(publication.id);
    if (publication.participantId !== this.participantId && this.#isMissing(publication))
      this.#subscribeSoon(publication.id);
  }

  #drop(publicationId: string): void {
    this.#publications.delete(publicationId);
    for (const changed of this.#listings) changed.add(publicationId);
    this.#toSubscribe.delete(publicationId);
    this.#failedSubscriptions.delete(publicationId);
    this.#toCompare.delete(publicationId);
    this.#link.forget(publicationId);
    this.#handlers.onPublicationEnded?.(publicationId);
  }

  #isMissing({ id, producerId }: Publication): boolean {
    return this.#subscribes && this.#link.producerOf(id) !== producerId;
  }

  #subscribeMissing(): void {
    for (const publication of this.#remotePublications())
      if (this.#isMissing(publication)) this.#subscribeSoon(publication.id);
  }

  /** Subscribes at the end of this turn of the event loop, with one request for all. */
  #subscribeSoon(publicationId: string): void {
    if (this.#toSubscribe.size === 0) {
      setTimeout(() => {
        const ids = [...this.#toSubscribe];
        this.#toSubscribe.clear();
        this.#subscribeAll(ids, 0);
      });
    }
    this.#toSubscribe.add(publicationId);
  }

  #subscribeAll(ids: readonly string[], attempt: number): void {
    for (let from = 0; from < ids.length; from += maxPublicationsPerRequest)
      void this.#subscribe(ids.slice(from, from + maxPublicationsPerRequest), attempt);
  }

  async #subscribe(ids: readonly string[], attempt: number): Promise<void> {
    const link = this.#link;
    const publicationIds = ids.filter((id) => {
      const publication = this.#publications.get(id);
      return publication && this.#isMissing(publication);
    });
    if (this.#closed || link.closed || publicationIds.length === 0) return;
    let failures: readonly (readonly [publicationId: string, error: FlotillaError])[];
    try {
      const { subscriptions, failed } = await link.request('subscribe', { publicationIds });
      failures = failed.map(({ publicationId, error }) => [
        publicationId,
        new FlotillaError(error.code, error.message),
      ]);
      await link.receive(subscriptions);
    } catch (error) {
      failures = publicationIds.map((id) => [id, FlotillaError.from(error)]);
    }
    // What another link lacks is subscribed to when it becomes the current one.
    if (this.#closed || link !== this.#link) return;
    const toRetry = failures.filter(([, { code }]) => !finalSubscriptionErrors.has(code)).map(([id]) => id);
    const pauseMs = retryPausesMs[attempt];
    for (const [id, error] of failures)
      if (pauseMs === undefined || !toRetry.includes(id)) this.#subscriptionFailed(id, error);
    if (toRetry.length === 0) return;
    if (pauseMs === undefined) this.#retryLater();
    else setTimeout(() => void this.#subscribe(toRetry, attempt + 1), pauseMs);
  }

  #subscriptionFailed(publicationId: string, error: FlotillaError): void {
    if (!this.#publications.has(publicationId)) return;
    if (!this.#failedSubscriptions.has(publicationId))
      this.#problem(`could not subscribe to ${publicationId}: ${error.message}`);
    this.#failedSubscriptions.set(publicationId, error);
  }

  /** Tries the failed subscriptions again after a pause, once. */
  #retryLater(): void {
    this.#laterRetry ??= setTimeout(() => {
      this.#laterRetry = undefined;
      const failed = [...this.failedSubscriptions].filter(([, { code }]) => !finalSubscriptionErrors.has(code));
      const ids = failed.map(([id]) => id);
      this.#subscribeAll(ids, retryPausesMs.length);
    }, laterRetryPauseMs);
  }

  // Media.

  #useRelays(iceServers: readonly IceServer[] | undefined): void {
    if (!this.options.relayed) return;
    if (!iceServers) throw new FlotillaError('ICE_FAILED', 'the fleet has no TURN servers; set FLOTILLA_TURN_URLS');
    this.#relays = iceServers;
  }

  async #openLink(media: MediaSessionParameters, request: RoomRequest): Promise<EdgeLink> {
    let isLost = false;
    let onLost = (): void => {
      isLost = true;
    };
    const link = await EdgeLink.open(
      media,
      request,
      {
        onSubscribed: (subscription) => this.#handlers.onSubscribed?.(subscription),
        onPacket: (publicationId, packet, now) => this.#handlers.onPacket?.(publicationId, packet, now),
        onSenderReport: (publicationId, report) => this.#handlers.onSenderReport?.(publicationId, report),
        onStreamEnded: (publicationId, ssrc) => this.#handlers.onStreamEnded?.(publicationId, ssrc),
        onLost: () => onLost(),
      },
      this.#relays,
    );
    if (isLost) {
      link.close();
      throw new FlotillaError('ICE_FAILED', 'the network path was lost while media was opened');
    }
    onLost = () => {
      this.#lost.set(link, 'the network path was lost');
      this.#reopenIfLost();
    };
    for (const each of this.#links) if (each.closed) this.#links.delete(each);
    this.#links.add(link);
    // Closed meanwhile.
    if (this.#closed) link.close();
    return link;
  }

  /** Whether video of a subscription is expected: not of a muted publication, nor of a producer that was replaced meanwhile. */
  #expectsVideo({ publicationId, producerId }: Subscription): boolean {
    const publication = this.#publications.get(publicationId);
    return publication?.kind === 'video' && !publication.muted && publication.producerId === producerId;
  }

  /** Migrates make-before-break: the previous link stays open for `migrationLingerMs` after the commit. */
  async #migrate({ migrationId, media }: RoomEventPayload<'migrate'>): Promise<void> {
    // While media is opened again, the server rolls the migration back.
    if (this.#migrating || this.#reopening || this.#closed) return;
    const migration = Promise.withResolvers<void>();
    this.#migrating = migration.promise;
    const began = performance.now();
    const previous = this.#link;
    const { nodeId: fromNode } = previous;
    const toNode = media.nodeId;
    let migrating = true;
    let link: EdgeLink | undefined;
    const steps: { -readonly [K in keyof Move['steps']]: number } = {};
    let stepBegan = began;
    const done = (step: keyof Move['steps']): void => {
      const now = performance.now();
      [steps[step], stepBegan] = [now - stepBegan, now];
    };
    try {
      link = await this.#openLink(media, (type, payload) =>
        this.#request(type, migrating ? ({ ...payload, migrationId } as typeof payload) : payload),
      );
      this.#nextLink = link;
      done('transports');
      await link.firstMedia(() =>
        media.subscriptions.filter((each) => this.#expectsVideo(each)).map(({ publicationId }) => publicationId),
      );
      done('firstVideo');
      await Promise.allSettled(this.#publishing);
      await Promise.all([...this.#tracks].map(([publicationId, track]) => link!.publish(track, publicationId)));
      done('publish');
      if (this.#link !== previous) throw new Error('media was opened again meanwhile');
      this.#link = link;
      await this.#commit(migrationId, began + migrationTimeoutMs);
      done('commit');
      migrating = false;
      this.#previousLink = previous;
      setTimeout(() => previous.close(), migrationLingerMs);
      this.#handlers.onMoved?.({ fromNode, toNode, ms: performance.now() - began, steps });
      this.#subscribeMissing();
    } catch (error) {
      // Media may have been opened again meanwhile.
      if (this.#link === link) this.#link = previous;
      else if (this.#link !== previous) previous.close();
      link?.close();
      if (this.#closed) return;
      const reason = String(error).slice(0, 256);
      this.#handlers.onMoved?.({ fromNode, toNode, ms: performance.now() - began, steps, error: reason });
      await this.#request('migration_failed', { migrationId, reason }).catch(() => undefined);
      this.#subscribeMissing();
    } finally {
      this.#migrating = undefined;
      this.#nextLink = undefined;
      migration.resolve();
    }
    this.#reopenIfLost();
  }

  /** Sends `migrated` until it is answered: the commit is idempotent. */
  async #commit(migrationId: string, deadline: number): Promise<void> {
    for (;;) {
      try {
        await this.#request('migrated', { migrationId });
        return;
      } catch (error) {
        if (!unanswered.has(FlotillaError.from(error).code) || performance.now() >= deadline) throw error;
        await pause(commitPauseMs);
        if (this.#closed) throw error;
      }
    }
  }

  /**
   * Opens media again when the current link is lost. The commit of a migration is awaited: if it fails, the previous link is the
   * current one.
   */
  #reopenIfLost(): void {
    const why = this.#lost.get(this.#link);
    const isCommitting = this.#migrating !== undefined && this.#link === this.#nextLink;
    if (why && !isCommitting) this.#reopen(why);
  }

  /** Opens media again, unless that is being done. */
  #reopen(why: string): void {
    if (this.#closed) return;
    this.#reopening ??= this.#openAgain(why).finally(() => {
      this.#reopening = undefined;
      this.#reopenIfLost();
    });
  }

  async #openAgain(why: string): Promise<void> {
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          const { iceServers, ...media } = await this.#request('open_media', {
            rtpCapabilities: this.#capabilities,
            subscribe: this.#subscribes,
          });
          this.#useRelays(iceServers);
          const opened = await this.#openLink(media, this.#request);
          // A migration may have changed over meanwhile.
          this.#link.close();
          this.#link = opened;
          await Promise.allSettled(this.#publishing);
          for (const [publicationId, track] of this.#tracks) await this.#link.publish(track, publicationId);
          this.#subscribeMissing();
          return;
        } catch (error) {
          const pauseMs = retryPausesMs[attempt];
          if (pauseMs === undefined) throw error;
          await pause(pauseMs);
        }
      }
    } catch (error) {
      // Given up: nothing is to be opened when it is looked at again.
      this.#lost.delete(this.#link);
      this.#problem(`media not reopened after ${why}: ${String(error)}`);
      const failure = FlotillaError.from(error);
      if (!this.#joined) this.#end(failure);
      else setImmediate(() => this.#handlers.onMediaFailed?.(failure));
    }
  }
}

/** Errors of a peer whose participant left for another reason than a removal: it may join again. */
const leaveCodes: Partial<Record<LeaveReason, ErrorCode>> = {
  disconnected: 'SESSION_EXPIRED',
  failed: 'MEDIA_NOT_OPEN',
};

/** The codecs of the fleet that edge peers receive. */
const receivedTypes: ReadonlySet<string> = new Set(['audio/opus', 'video/vp8', 'video/h264']);

/** Opus, VP8 and H.264 without RTX and transport-cc, so that the SFU neither throttles nor drops layers. */
function receivable({ codecs = [] }: RtpCapabilities): RtpCapabilities {
  return {
    codecs: codecs
      .filter(({ mimeType }) => receivedTypes.has(mimeType.toLowerCase()))
      .map((codec) => ({
        ...codec,
        rtcpFeedback: codec.rtcpFeedback?.filter(({ type }) => type === 'nack' || type === 'ccm') ?? [],
      })),
    headerExtensions: [],
  };
}
