import {
  type Event,
  FlotillaError,
  type MediaKind,
  type MediaSessionParameters,
  migrationLingerMs,
  type Publication,
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
import { RawClient } from '@flotilla/testkit';
import { Arrivals } from './arrivals.ts';
import { LightLink, type RoomRequest } from './link.ts';

export interface LightPeerOptions {
  /** A signaling gateway. */
  readonly url: string;
  /** A join token: it opens this one session. */
  readonly token: string;
  readonly room: string;
  readonly name?: string;
  /** One stream of each. Default: audio and video. */
  readonly publish?: readonly MediaKind[];
}

/** What is received of a publication of somebody else. */
export interface Received {
  readonly publicationId: string;
  readonly participantId: string;
  readonly kind: MediaKind;
  /** RTP packets since it was first received. */
  readonly packets: number;
  /** The longest time without one since this was last taken, in milliseconds. Undefined while none came. */
  readonly longestGapMs: number | undefined;
}

/** A migration of this peer, as long as it knew of it, and what kept it where it was if something did. */
export interface Move {
  readonly fromNode: string;
  readonly toNode: string;
  /** From being told to being moved, in milliseconds. */
  readonly ms: number;
  /** What of that it took to have a path and subscriptions, the first picture of everybody, to publish, and to be heard. */
  readonly steps: Readonly<Partial<Record<'path' | 'picture' | 'publish' | 'commit', number>>>;
  readonly error?: string;
}

const retryPausesMs = [100, 300, 1000, 3000] as const;

/** Somebody in a call who neither encodes nor decodes: joins, publishes, subscribes and moves as docs/protocol.md asks. */
export class LightPeer {
  readonly moves: Move[] = [];
  /** What went wrong and should not have. */
  readonly problems: string[] = [];
  readonly #publications = new Map<string, Publication>();
  readonly #arrivals = new Map<string, Arrivals>();
  /** What we publish, by id. */
  readonly #mine = new Map<string, MediaKind>();
  readonly #capabilities: RtpCapabilities;
  #toSubscribe = new Set<string>();
  #link!: LightLink;
  #formerLink: LightLink | undefined;
  #migrating = false;
  #reopening = false;
  #closed = false;

  private constructor(
    readonly name: string,
    private readonly client: RawClient,
    capabilities: RtpCapabilities,
  ) {
    this.#capabilities = capabilities;
  }

  roomId!: string;
  participantId!: string;

  /** Joins a room and publishes. Resolves when it sends, and can receive. */
  static async join({ url, token, room, name, publish = ['audio', 'video'] }: LightPeerOptions): Promise<LightPeer> {
    const client = await RawClient.connect(url, { token });
    try {
      const { rtpCapabilities } = await client.welcome();
      if (!rtpCapabilities) throw new FlotillaError('NO_CAPACITY');
      const capabilities = receivable(rtpCapabilities);
      const peer = new LightPeer(name ?? 'light', client, capabilities);
      await peer.#join(room, name, publish);
      return peer;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  async #join(room: string, name: string | undefined, publish: readonly MediaKind[]): Promise<void> {
    const { participantId, snapshot, media } = await this.#ask('join', {
      room,
      ...(name !== undefined && { name }),
      rtpCapabilities: this.#capabilities,
    });
    if (!media) throw new FlotillaError('MEDIA_NOT_OPEN', `${room} has no media by an SFU`);
    this.participantId = participantId;
    this.roomId = snapshot.room.id;
    for (const publication of snapshot.publications) this.#publications.set(publication.id, publication);
    this.#link = await this.#openLink(media, this.#request);
    this.client.onEvent = (event) => this.#onEvent(event);
    for (const event of this.client.events.splice(0)) this.#onEvent(event);
    void this.client.closed.then(
      ({ code }) => this.#closed || this.problems.push(`the connection closed with ${code}`),
    );
    for (const kind of publish) this.#mine.set((await this.#link.publish(kind)).id, kind);
    this.#subscribeMissing();
  }

  get nodeId(): string {
    return this.#link.nodeId;
  }

  /** What it publishes, by id. */
  get published(): ReadonlyMap<string, MediaKind> {
    return this.#mine;
  }

  /** What it receives of the others, and how. Gaps are counted anew from here. */
  takeReceived(): Received[] {
    const now = performance.now();
    return this.#others().map(({ id, participantId, kind }) => {
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

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#link.close();
    this.#formerLink?.close();
    this.client.close();
  }

  // Signaling.

  async #ask<T extends RequestType>(type: T, payload: RequestPayload<T>, to?: string): Promise<ReplyPayload<T>> {
    const { ok, payload: answer, error } = await this.client.request(type, payload, to);
    if (!ok) throw new FlotillaError(error!.code, `${type}: ${error!.message}`);
    return signalRequests[type].reply.parse(answer) as ReplyPayload<T>;
  }

  readonly #request: RoomRequest = (type, payload) => this.#ask(type, payload, roomAddress(this.roomId));

  #onEvent(event: Event): void {
    // The client keeps what it was told; this peer lives longer than that is of use.
    this.client.events.length = 0;
    if (event.to !== roomAddress(this.roomId) || !Object.hasOwn(roomEvents, event.type)) return;
    const apply: { [K in RoomEventType]?: (payload: RoomEventPayload<K>) => void } = {
      publication_added: ({ publication }) => this.#put(publication),
      publication_updated: ({ publication }) => this.#put(publication),
      publication_removed: ({ publicationId }) => this.#drop(publicationId),
      participant_left: ({ participantId, publicationIds }) => {
        for (const id of publicationIds) this.#drop(id);
        if (participantId === this.participantId && !this.#closed) this.problems.push('taken out of the room');
      },
      migrate: (migration) => void this.#migrate(migration),
      media_lost: ({ participantIds }) => {
        if (participantIds.includes(this.participantId)) void this.#reopen();
      },
    };
    const type = event.type as RoomEventType;
    (apply[type] as ((payload: unknown) => void) | undefined)?.(roomEvents[type].parse(event.payload));
  }

  // The others.

  #others(): Publication[] {
    return [...this.#publications.values()].filter(({ participantId }) => participantId !== this.participantId);
  }

  #put(publication: Publication): void {
    this.#publications.set(publication.id, publication);
    if (publication.participantId !== this.participantId && this.#isMissing(publication))
      this.#subscribeSoon(publication.id);
  }

  #drop(publicationId: string): void {
    this.#publications.delete(publicationId);
    this.#arrivals.delete(publicationId);
    this.#toSubscribe.delete(publicationId);
    this.#link.forget(publicationId);
  }

  #isMissing({ id, producerId }: Publication): boolean {
    return this.#link.producerOf(id) !== producerId;
  }

  #subscribeMissing(): void {
    for (const publication of this.#others()) if (this.#isMissing(publication)) this.#subscribeSoon(publication.id);
  }

  /** Collects what is announced in one turn into one request. */
  #subscribeSoon(publicationId: string): void {
    if (this.#toSubscribe.size === 0) {
      setTimeout(() => {
        const ids = [...this.#toSubscribe];
        this.#toSubscribe.clear();
        if (ids.length > 0) void this.#subscribe(ids);
      });
    }
    this.#toSubscribe.add(publicationId);
  }

  async #subscribe(wanted: readonly string[], attempt = 0): Promise<void> {
    const link = this.#link;
    const publicationIds = wanted.filter((id) => this.#publications.has(id));
    if (this.#closed || link.closed || publicationIds.length === 0) return;
    let again: readonly string[];
    let why = '';
    try {
      const { subscriptions, failed } = await link.request('subscribe', { publicationIds });
      await link.receive(subscriptions);
      again = failed.map(({ publicationId }) => publicationId);
      why = failed[0]?.error.message ?? '';
    } catch (error) {
      again = publicationIds;
      why = String(error);
    }
    const pause = retryPausesMs[attempt];
    if (again.length === 0 || this.#closed) return;
    if (pause === undefined) this.problems.push(`could not subscribe to ${again.join(', ')}: ${why}`);
    else setTimeout(() => void this.#subscribe(again, attempt + 1), pause);
  }

  // Media.

  #openLink(media: MediaSessionParameters, request: RoomRequest): Promise<LightLink> {
    return LightLink.open(media, request, (publicationId, now) => {
      let arrivals = this.#arrivals.get(publicationId);
      if (!arrivals) this.#arrivals.set(publicationId, (arrivals = new Arrivals()));
      arrivals.take(now);
    });
  }

  /** Not what is muted, nor a producer that was replaced, because its owner moved meanwhile. */
  #mustShow({ publicationId, producerId }: Subscription): boolean {
    const publication = this.#publications.get(publicationId);
    return publication?.kind === 'video' && !publication.muted && publication.producerId === producerId;
  }

  /** Moves to another node beside the old one, which goes on until the others have followed. */
  async #migrate({ migrationId, media }: RoomEventPayload<'migrate'>): Promise<void> {
    if (this.#migrating || this.#closed) return;
    this.#migrating = true;
    const began = performance.now();
    const former = this.#link;
    const { nodeId: fromNode } = former;
    const toNode = media.nodeId;
    let moving = true;
    let link: LightLink | undefined;
    const steps: { -readonly [K in keyof Move['steps']]: number } = {};
    let stepBegan = began;
    const done = (step: keyof Move['steps']): void => {
      const now = performance.now();
      [steps[step], stepBegan] = [now - stepBegan, now];
    };
    try {
      link = await this.#openLink(media, (type, payload) =>
        this.#request(type, moving ? ({ ...payload, migrationId } as typeof payload) : payload),
      );
      done('path');
      await link.firstMedia(() =>
        media.subscriptions.filter((each) => this.#mustShow(each)).map(({ publicationId }) => publicationId),
      );
      done('picture');
      await Promise.all([...this.#mine].map(([publicationId, kind]) => link!.publish(kind, { publicationId })));
      done('publish');
      this.#link = link;
      await this.#request('migrated', { migrationId });
      done('commit');
      moving = false;
      this.#formerLink = former;
      setTimeout(() => former.close(), migrationLingerMs);
      this.moves.push({ fromNode, toNode, ms: performance.now() - began, steps });
      this.#subscribeMissing();
    } catch (error) {
      this.#link = former;
      link?.close();
      if (this.#closed) return;
      const reason = String(error).slice(0, 256);
      this.moves.push({ fromNode, toNode, ms: performance.now() - began, steps, error: reason });
      await this.#request('migration_failed', { migrationId, reason }).catch(() => undefined);
    } finally {
      this.#migrating = false;
    }
  }

  /** The node, or its worker, lost our media: opens it anew and publishes again what was published. */
  async #reopen(): Promise<void> {
    if (this.#reopening || this.#closed) return;
    this.#reopening = true;
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          const former = this.#link;
          const media = await this.#request('open_media', { rtpCapabilities: this.#capabilities });
          this.#link = await this.#openLink(media, this.#request);
          former.close();
          for (const [publicationId, kind] of this.#mine) await this.#link.publish(kind, { publicationId });
          this.#subscribeMissing();
          return;
        } catch (error) {
          const pause = retryPausesMs[attempt];
          if (pause === undefined) throw error;
          await new Promise((resolve) => setTimeout(resolve, pause));
        }
      }
    } catch (error) {
      if (!this.#closed) this.problems.push(`media was lost and not opened again: ${String(error)}`);
    } finally {
      this.#reopening = false;
    }
  }
}

/** Opus and VP8 of what the fleet speaks; no retransmission and no bandwidth estimate, so that everything is sent as it comes. */
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
