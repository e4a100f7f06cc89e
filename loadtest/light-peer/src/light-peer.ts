import {
  type Event,
  FlotillaError,
  type IceServer,
  type MediaKind,
  maxPublicationsPerRequest,
  type MediaSessionParameters,
  migrationLingerMs,
  type Publication,
  read,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  roomAddress,
  type RoomEventPayload,
  type RoomEventType,
  roomEvents,
  type RtpCapabilities,
  signalRequests,
  type Subscription,
} from '@flotilla/contracts';
import { RawClient } from '@flotilla/testkit/signal';
import { Arrivals } from './arrivals.ts';
import { LightLink, type RoomRequest } from './link.ts';

export interface LightPeerOptions {
  /** URL of a signaling gateway. */
  readonly url: string;
  /** A join token. */
  readonly token: string;
  readonly room: string;
  readonly name?: string;
  /** Kinds to publish, one stream each. Default: audio and video. */
  readonly publish?: readonly MediaKind[];
  /** Media goes through the TURN servers of the fleet, over UDP. Default: directly. */
  readonly relayed?: boolean;
}

/** Reception statistics of a remote publication. */
export interface Received {
  readonly publicationId: string;
  readonly participantId: string;
  readonly kind: MediaKind;
  /** RTP packets received in total. */
  readonly packets: number;
  /** The longest gap between packets since the last report, in milliseconds. Undefined before the first packet. */
  readonly longestGapMs: number | undefined;
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

/** A participant without codecs: joins, publishes, subscribes and migrates according to docs/protocol.md. */
export class LightPeer {
  readonly moves: Move[] = [];
  /** Unexpected failures. */
  readonly problems: string[] = [];
  /** Called with each event of the room, after it has taken effect. */
  onRoomEvent: (event: Event) => void = () => undefined;
  readonly #publications = new Map<string, Publication>();
  readonly #arrivals = new Map<string, Arrivals>();
  /** Kinds of the own publications, by id. */
  readonly #published = new Map<string, MediaKind>();
  readonly #capabilities: RtpCapabilities;
  #toSubscribe = new Set<string>();
  /** While a large room is listed: publications that ended since the last page was requested. */
  #droppedMeanwhile: Set<string> | undefined;
  #link!: LightLink;
  #previousLink: LightLink | undefined;
  #migrating = false;
  #reopening = false;
  #closed = false;
  #relays: readonly IceServer[] | undefined;

  private constructor(
    readonly name: string,
    private readonly client: RawClient,
    capabilities: RtpCapabilities,
    private readonly relayed: boolean,
  ) {
    this.#capabilities = capabilities;
  }

  roomId!: string;
  participantId!: string;

  /** Joins a room and publishes. Resolves when it sends and its receive transport is connected. */
  static async join({
    url,
    token,
    room,
    name,
    publish = ['audio', 'video'],
    relayed = false,
  }: LightPeerOptions): Promise<LightPeer> {
    const client = await RawClient.connect(url, { token });
    try {
      const { rtpCapabilities } = await client.welcome();
      if (!rtpCapabilities) throw new FlotillaError('NO_CAPACITY');
      const capabilities = receivable(rtpCapabilities);
      const peer = new LightPeer(name ?? 'light', client, capabilities, relayed);
      await peer.#join(room, name, publish);
      return peer;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  async #join(room: string, name: string | undefined, publish: readonly MediaKind[]): Promise<void> {
    const { participantId, snapshot, media, iceServers } = await this.#send('join', {
      room,
      ...(name !== undefined && { name }),
      rtpCapabilities: this.#capabilities,
    });
    if (!media) throw new FlotillaError('MEDIA_NOT_OPEN', `room ${room} is not in SFU mode`);
    this.#useRelays(iceServers);
    this.participantId = participantId;
    this.roomId = snapshot.room.id;
    for (const publication of snapshot.publications) this.#publications.set(publication.id, publication);
    this.#link = await this.#openLink(media, this.#request);
    this.client.onEvent = (event) => this.#onEvent(event);
    for (const event of this.client.events.splice(0)) this.#onEvent(event);
    void this.client.closed.then(
      ({ code }) => this.#closed || this.problems.push(`the connection closed with ${code}`),
    );
    for (const kind of publish) await this.publish(kind);
    this.#subscribeMissing();
    await this.#list(snapshot.next);
  }

  get nodeId(): string {
    return this.#link.nodeId;
  }

  /** Kinds of the own publications, by id. */
  get published(): ReadonlyMap<string, MediaKind> {
    return this.#published;
  }

  /** Publishes one more stream. Throws the error of the server. */
  async publish(kind: MediaKind): Promise<void> {
    this.#published.set((await this.#link.publish(kind)).id, kind);
  }

  /** Reception statistics of all remote publications. Restarts the measurement of gaps. */
  takeReceived(): Received[] {
    const now = performance.now();
    return this.#remotePublications().map(({ id, participantId, kind }) => {
      const arrivals = this.#arrivals.get(id);
      return {
        publicationId: id,
        participantId,
        kind,
        packets: arrivals?.packets ?? 0,
        longestGapMs: arrivals?.takeLongestGap(now),
      };
    });
  }

  /** Sends a message to the room. Throws the FlotillaError of a refusal. */
  async sendMessage(data: unknown): Promise<void> {
    await this.#request('message', { data });
  }

  /** Mutes or unmutes an own publication. The peer continues to send. */
  async mute(publicationId: string, muted: boolean): Promise<void> {
    await this.#request('mute', { publicationId, muted });
  }

  /** Requests a key frame of each received video. */
  requestKeyFrames(): void {
    this.#link.requestKeyFrames();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#link.close();
    this.#previousLink?.close();
    this.client.close();
  }

  // Signaling.

  async #send<T extends RequestType>(type: T, payload: RequestPayload<T>, to?: string): Promise<ReplyPayload<T>> {
    const reply = await this.client.request(type, payload, to);
    // RawClient keeps all replies, too.
    this.client.replies.splice(this.client.replies.indexOf(reply), 1);
    const { ok, payload: answer, error } = reply;
    if (!ok) throw new FlotillaError(error!.code, `${type}: ${error!.message}`);
    return read(signalRequests[type].reply, answer) as ReplyPayload<T>;
  }

  readonly #request: RoomRequest = (type, payload) => this.#send(type, payload, roomAddress(this.roomId));

  #onEvent(event: Event): void {
    // RawClient keeps all events; this peer is too long-lived for that.
    this.client.events.length = 0;
    if (event.to !== roomAddress(this.roomId) || !Object.hasOwn(roomEvents, event.type)) return;
    const apply: { [K in RoomEventType]?: (payload: RoomEventPayload<K>) => void } = {
      publication_added: ({ publication }) => this.#put(publication),
      publication_updated: ({ publication }) => this.#put(publication),
      publication_removed: ({ publicationId }) => this.#drop(publicationId),
      participant_left: ({ participantId, publicationIds }) => {
        for (const id of publicationIds) this.#drop(id);
        if (participantId === this.participantId && !this.#closed) this.problems.push('removed from the room');
      },
      migrate: (migration) => void this.#migrate(migration),
      media_lost: ({ participantIds }) => {
        if (participantIds.includes(this.participantId)) void this.#reopen();
      },
    };
    const type = event.type as RoomEventType;
    (apply[type] as ((payload: unknown) => void) | undefined)?.(read(roomEvents[type], event.payload));
    this.onRoomEvent(event);
  }

  // Remote publications.

  #remotePublications(): Publication[] {
    return [...this.#publications.values()].filter(({ participantId }) => participantId !== this.participantId);
  }

  /** Lists the publications of a large room that the snapshot leaves out. */
  async #list(first: string | undefined): Promise<void> {
    for (let cursor = first; cursor !== undefined;) {
      const dropped = new Set<string>();
      this.#droppedMeanwhile = dropped;
      const { publications, next }: ReplyPayload<'list_participants'> = await this.#request('list_participants', {
        cursor,
      });
      for (const publication of publications)
        if (!this.#publications.has(publication.id) && !dropped.has(publication.id)) this.#put(publication);
      cursor = next;
    }
    this.#droppedMeanwhile = undefined;
  }

  #put(publication: Publication): void {
    this.#publications.set(publication.id, publication);
    if (publication.participantId !== this.participantId && this.#isMissing(publication))
      this.#subscribeSoon(publication.id);
  }

  #drop(publicationId: string): void {
    this.#publications.delete(publicationId);
    this.#droppedMeanwhile?.add(publicationId);
    this.#arrivals.delete(publicationId);
    this.#toSubscribe.delete(publicationId);
    this.#link.forget(publicationId);
  }

  #isMissing({ id, producerId }: Publication): boolean {
    return this.#link.producerOf(id) !== producerId;
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
        for (let from = 0; from < ids.length; from += maxPublicationsPerRequest)
          void this.#subscribe(ids.slice(from, from + maxPublicationsPerRequest));
      });
    }
    this.#toSubscribe.add(publicationId);
  }

  async #subscribe(ids: readonly string[], attempt = 0): Promise<void> {
    const link = this.#link;
    const publicationIds = ids.filter((id) => this.#publications.has(id));
    if (this.#closed || link.closed || publicationIds.length === 0) return;
    let toRetry: readonly string[];
    let reason = '';
    try {
      const { subscriptions, failed } = await link.request('subscribe', { publicationIds });
      await link.receive(subscriptions);
      toRetry = failed.map(({ publicationId }) => publicationId);
      reason = failed[0]?.error.message ?? '';
    } catch (error) {
      toRetry = publicationIds;
      reason = String(error);
    }
    const pause = retryPausesMs[attempt];
    if (toRetry.length === 0 || this.#closed) return;
    if (pause === undefined) this.problems.push(`could not subscribe to ${toRetry.join(', ')}: ${reason}`);
    else setTimeout(() => void this.#subscribe(toRetry, attempt + 1), pause);
  }

  // Media.

  #useRelays(iceServers: readonly IceServer[] | undefined): void {
    if (!this.relayed) return;
    if (!iceServers) throw new FlotillaError('ICE_FAILED', 'the fleet has no TURN servers; set FLOTILLA_TURN_URLS');
    this.#relays = iceServers;
  }

  #openLink(media: MediaSessionParameters, request: RoomRequest): Promise<LightLink> {
    const onPacket = (publicationId: string, now: number): void => {
      let arrivals = this.#arrivals.get(publicationId);
      if (!arrivals) this.#arrivals.set(publicationId, (arrivals = new Arrivals()));
      arrivals.add(now);
    };
    return LightLink.open(media, request, onPacket, this.#relays);
  }

  /** Whether video of a subscription is expected: not of a muted publication, nor of a producer that was replaced meanwhile. */
  #expectsVideo({ publicationId, producerId }: Subscription): boolean {
    const publication = this.#publications.get(publicationId);
    return publication?.kind === 'video' && !publication.muted && publication.producerId === producerId;
  }

  /** Migrates make-before-break: the previous link stays open for `migrationLingerMs` after the commit. */
  async #migrate({ migrationId, media }: RoomEventPayload<'migrate'>): Promise<void> {
    if (this.#migrating || this.#closed) return;
    this.#migrating = true;
    const began = performance.now();
    const previous = this.#link;
    const { nodeId: fromNode } = previous;
    const toNode = media.nodeId;
    let migrating = true;
    let link: LightLink | undefined;
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
      done('transports');
      await link.firstMedia(() =>
        media.subscriptions.filter((each) => this.#expectsVideo(each)).map(({ publicationId }) => publicationId),
      );
      done('firstVideo');
      await Promise.all([...this.#published].map(([publicationId, kind]) => link!.publish(kind, { publicationId })));
      done('publish');
      this.#link = link;
      await this.#request('migrated', { migrationId });
      done('commit');
      migrating = false;
      this.#previousLink = previous;
      setTimeout(() => previous.close(), migrationLingerMs);
      this.moves.push({ fromNode, toNode, ms: performance.now() - began, steps });
      this.#subscribeMissing();
    } catch (error) {
      this.#link = previous;
      link?.close();
      if (this.#closed) return;
      const reason = String(error).slice(0, 256);
      this.moves.push({ fromNode, toNode, ms: performance.now() - began, steps, error: reason });
      await this.#request('migration_failed', { migrationId, reason }).catch(() => undefined);
    } finally {
      this.#migrating = false;
    }
  }

  /** Reopens media after `media_lost` and republishes. */
  async #reopen(): Promise<void> {
    if (this.#reopening || this.#closed) return;
    this.#reopening = true;
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          const previous = this.#link;
          const { iceServers, ...media } = await this.#request('open_media', { rtpCapabilities: this.#capabilities });
          this.#useRelays(iceServers);
          this.#link = await this.#openLink(media, this.#request);
          previous.close();
          for (const [publicationId, kind] of this.#published) await this.#link.publish(kind, { publicationId });
          this.#subscribeMissing();
          return;
        } catch (error) {
          const pause = retryPausesMs[attempt];
          if (pause === undefined) throw error;
          await new Promise((resolve) => setTimeout(resolve, pause));
        }
      }
    } catch (error) {
      if (!this.#closed) this.problems.push(`media not reopened after media_lost: ${String(error)}`);
    } finally {
      this.#reopening = false;
    }
  }
}

/** Opus and VP8 of the fleet's codecs, without RTX and transport-cc, so that the SFU neither throttles nor drops layers. */
function receivable({ codecs = [] }: RtpCapabilities): RtpCapabilities {
  return {
    codecs: codecs
      .filter(({ mimeType }) => ['audio/opus', 'video/vp8'].includes(mimeType.toLowerCase()))
      .map((codec) => ({
        ...codec,
        rtcpFeedback: codec.rtcpFeedback?.filter(({ type }) => type === 'nack' || type === 'ccm') ?? [],
      })),
    headerExtensions: [],
  };
}
