import {
  addressee,
  type Event,
  FlotillaError,
  type MediaMode,
  type MediaSession,
  newId,
  type Participant,
  type Publication,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  roomAddress,
  type RoomEventPayload,
  type RoomEventType,
  roomEvents,
  type RoomSnapshot,
  type Source,
  type Subscription,
} from '@flotilla/contracts';
import { Device } from 'mediasoup-client';
import type { Consumer } from 'mediasoup-client/types';
import { Emitter } from './emitter.ts';
import { producerOptions, type VideoCodec } from './encodings.ts';
import { firstMedia } from './first-media.ts';
import { MediaLink, type RoomRequest } from './media-link.ts';
import { captureTimeExtension } from './metadata/frame-times.ts';
import { RoomMetadata } from './metadata/room-metadata.ts';
import { migrate, type MigrationHost } from './migration.ts';
import { noProducer, PeerCall } from './peer-call.ts';
import type { PeerReceived } from './peer-link.ts';
import {
  LocalPublication,
  type PublicationActions,
  RemoteParticipant,
  RemotePublication,
  type SubscriptionWishes,
} from './publication.ts';
import { qualityLevel, type RoomStats, StatsSampler } from './quality.ts';
import { SignalSession, type TokenSource } from './signal-session.ts';

/** What `connect` is told. */
export interface ConnectOptions {
  /**
   * A join token, or a function that gets one. A token opens one session; with a function the room comes back by itself even
   * after the session was lost.
   */
  readonly token: TokenSource;
  /** The room's name or id. */
  readonly room: string;
  /** Shown to the others. Default: the name in the token. */
  readonly name?: string;
  /** Receive everything that is published, by itself. Default true. */
  readonly subscribe?: boolean;
  /** STUN and TURN servers. The SFU needs none, networks that block it may; people who talk to each other directly do. */
  readonly iceServers?: RTCIceServer[];
}

export interface PublishOptions {
  /** What it is. Default: `camera` for video, `microphone` for audio. */
  readonly source?: Source;
  /** Shown to the others, such as the title of a window. */
  readonly label?: string;
  /** Begin muted. */
  readonly muted?: boolean;
  /** Default: the first that both sides know, which is VP8. */
  readonly videoCodec?: VideoCodec;
}

/** `connected`; `reconnecting`, while the signaling connection is being brought back (media may go on); `closed` for good. */
export type RoomState = 'connected' | 'reconnecting' | 'closed';

/** Events of a room, with the arguments of their listeners. */
export type RoomEvents = {
  stateChanged: [state: RoomState];
  participantJoined: [participant: RemoteParticipant];
  participantLeft: [participant: RemoteParticipant];
  publicationAdded: [publication: RemotePublication, participant: RemoteParticipant];
  /** Muted or unmuted. */
  publicationUpdated: [publication: RemotePublication, participant: RemoteParticipant];
  publicationRemoved: [publication: RemotePublication, participant: RemoteParticipant];
  /** `publication.track` is there, is another one, or is gone. */
  trackChanged: [publication: RemotePublication, participant: RemoteParticipant];
  /** Whose voice is heard; includes your own, as `room.me`. Levels are on the participants. */
  speakersChanged: [participantIds: ReadonlySet<string>];
  /** Who leads the conversation. */
  activeSpeakerChanged: [participantId: string];
  /** Something an application sent with `send`, yours included. `sender` is undefined when it is you, or who sent it is gone. */
  message: [data: unknown, participantId: string, sender: RemoteParticipant | undefined];
  /** `publication.quality` of some changed. Every two seconds at most. */
  qualityChanged: [stats: RoomStats];
  /** Media goes another way from now on; tracks and publications stay, but see `trackChanged`. */
  mediaModeChanged: [mode: MediaMode];
  /** The media connection was lost with its node and is being brought back; or it is back. */
  mediaChanged: [state: 'lost' | 'restored'];
  /** Our media goes by another SFU node now. Nothing was interrupted; `ms` is how long both sides were open before. */
  migrated: [migration: { readonly fromNode: string; readonly toNode: string; readonly ms: number }];
  /** A move to another node did not succeed; the old one goes on. */
  migrationFailed: [error: FlotillaError];
  /** The room is over for you. `error` says why, unless you left. */
  closed: [error: FlotillaError | undefined];
};

const statsEveryMs = 2000;
/** A subscription or a media connection that fails is tried again after these pauses, in milliseconds. */
const retryPausesMs = [250, 500, 1000, 2000, 4000, 8000] as const;

/** A room you are in. Made by `connect`. */
export class Room extends Emitter<RoomEvents> implements PublicationActions {
  readonly #options: ConnectOptions;
  #session!: SignalSession;
  #device!: Device;
  #link: MediaLink | undefined;
  /** The side that we moved away from; it goes on until the others have followed. */
  #formerLink: MediaLink | undefined;
  #migration: { readonly id: string; readonly abort: AbortController; readonly ended: Promise<void> } | undefined;
  /** While media goes directly to the other participant, and until the SFU has taken over from it. */
  #peers: PeerCall | undefined;
  /** Data beside the media, by topic and on the fleet's clock. */
  readonly metadata: RoomMetadata;
  #mediaMode: MediaMode = 'sfu';
  #state: RoomState = 'connected';
  #info!: RoomSnapshot['room'];
  #me!: Participant;
  readonly #participants = new Map<string, RemoteParticipant>();
  readonly #mine = new Map<string, LocalPublication>();
  /** Speakers as each node tells them. */
  readonly #speakers = new Map<string, Map<string, number>>();
  #sampler = new StatsSampler();
  #statsTimer: ReturnType<typeof setInterval> | undefined;
  #stats: RoomStats | undefined;
  #reopening: Promise<void> | undefined;
  #toSubscribe = new Set<string>();
  /** The latest about a publication of ours that the room has not been told. */
  readonly #unsaid = new Map<string, () => Promise<unknown>>();

  private constructor(options: ConnectOptions) {
    super();
    this.#options = options;
    this.metadata = new RoomMetadata({
      request: (type, payload) => this.#request(type, payload),
      participants: this.#participants,
      receiverOf: (track) => this.#link?.receiverOf(track) ?? this.#formerLink?.receiverOf(track),
    });
  }

  /** @internal */
  static async connect(url: string, options: ConnectOptions): Promise<Room> {
    const room = new Room(options);
    room.#session = await SignalSession.open(url, options.token, {
      onEvent: (event) => room.#onEvent(event),
      onLost: () => room.#setState('reconnecting'),
      onResumed: (rooms) => room.#onResumed(rooms),
      onRestarted: () => room.#begin(),
      onEnded: (error) => room.#end(error),
    });
    try {
      await room.#join();
    } catch (error) {
      room.#session.close();
      throw error;
    }
    room.#statsTimer = setInterval(() => void room.#sampleStats(), statsEveryMs);
    return room;
  }

  // What there is.

  /** The room's id. */
  get id(): string {
    return this.#info.id;
  }

  get name(): string {
    return this.#info.name;
  }

  get state(): RoomState {
    return this.#state;
  }

  /** You, as the others see you. */
  get me(): Participant {
    return this.#me;
  }

  /** The others, by id. */
  get participants(): ReadonlyMap<string, RemoteParticipant> {
    return this.#participants;
  }

  /** What you publish, by id. */
  get publications(): ReadonlyMap<string, LocalPublication> {
    return this.#mine;
  }

  /** The SFU node that carries your media; undefined while there is none. */
  get nodeId(): string | undefined {
    return this.#link?.nodeId;
  }

  /** `peer` while media goes directly to the other participant, `sfu` while it goes through an SFU node. */
  get mediaMode(): MediaMode {
    return this.#mediaMode;
  }

  /** @internal For tests: the connection to the other participant. */
  get peers(): PeerCall | undefined {
    return this.#peers;
  }

  /** The connection as last measured; undefined in the first seconds. */
  get stats(): RoomStats | undefined {
    return this.#stats;
  }

  // What you do.

  /** Publishes a track. It is not stopped when you unpublish it or leave: it is yours. */
  async publish(track: MediaStreamTrack, options: PublishOptions = {}): Promise<LocalPublication> {
    const { source = track.kind === 'video' ? 'camera' : 'microphone', label, muted = false, videoCodec } = options;
    if (this.#mediaMode === 'peer') return this.#publishToPeer(track, { source, label, muted, videoCodec });
    // While the SFU takes over there is nowhere to publish yet.
    if (!this.#link) await this.#reopening;
    const { producer, publication } = await this.#openLink().publish(
      { source, label, muted },
      { track, ...producerOptions(this.#device, track, source, videoCodec) },
    );
    if (muted) producer.pause();
    const mine = new LocalPublication(publication, producer, this);
    this.#codecOf.set(mine, videoCodec);
    this.#mine.set(mine.id, mine);
    return mine;
  }

  #publishToPeer(
    track: MediaStreamTrack,
    wanted: { source: Source; label: string | undefined; muted: boolean; videoCodec: VideoCodec | undefined },
    publicationId = newId('publication'),
  ): LocalPublication {
    const { source, label, muted, videoCodec } = wanted;
    const kind = track.kind as Publication['kind'];
    const announced: Publication = {
      id: publicationId,
      participantId: this.#me.id,
      kind,
      source,
      ...(label !== undefined && { label }),
      codec: kind === 'audio' ? 'audio/opus' : `video/${(videoCodec ?? 'vp8').toUpperCase()}`,
      muted,
      producerId: noProducer,
    };
    const mine = new LocalPublication(announced, this.#peers!.publish(track, { ...wanted, publicationId }), this);
    this.#codecOf.set(mine, videoCodec);
    this.#mine.set(mine.id, mine);
    return mine;
  }
  readonly #codecOf = new WeakMap<LocalPublication, VideoCodec | undefined>();

  /** Sends data (anything JSON can carry, 60 KB at most) to everybody in the room. */
  async send(data: unknown): Promise<void> {
    await this.#request('message', { data });
  }

  /** Leaves the room. */
  async leave(): Promise<void> {
    if (this.#state === 'closed') return;
    // Whether or not the server hears it, we are gone; the socket's goodbye says the same.
    await this.#request('leave', {}).catch(() => undefined);
    this.#session.close();
    this.#end(undefined);
  }

  /** @internal Takes effect here at once. What the room can't be told while the connection is away it is told afterwards. */
  async mute(publication: LocalPublication, muted: boolean): Promise<void> {
    publication.announced = { ...publication.announced, muted };
    // What still goes by the node that we moved away from is not muted by the new one.
    if (muted) this.#formerLink?.close();
    if (muted) publication.producer.pause();
    else publication.producer.resume();
    if (this.#mediaMode === 'peer') return this.#peers?.streamsChanged();
    await this.#sayOrKeep(publication.id, () => this.#requestMedia('mute', { publicationId: publication.id, muted }));
  }

  /** @internal */
  async unpublish(publication: LocalPublication): Promise<void> {
    this.#mine.delete(publication.id);
    this.#peers?.unpublish(publication.id);
    publication.producer.close();
    if (this.#mediaMode === 'peer') return;
    await this.#sayOrKeep(publication.id, () => this.#requestMedia('unpublish', { publicationId: publication.id }));
  }

  /** Says something about a publication of ours; what can't be said now, as the latest about it, is said after a reconnect. */
  async #sayOrKeep(publicationId: string, say: () => Promise<unknown>): Promise<void> {
    this.#unsaid.delete(publicationId);
    try {
      await say();
    } catch (error) {
      if (FlotillaError.from(error).code !== 'UNAVAILABLE' || this.#state === 'closed') throw error;
      this.#unsaid.set(publicationId, say);
    }
  }

  #sayWhatWasKept(): void {
    const kept = [...this.#unsaid];
    this.#unsaid.clear();
    // What fails now is about something that ended meanwhile.
    for (const [publicationId, say] of kept) this.#sayOrKeep(publicationId, say).catch(() => undefined);
  }

  /** @internal */
  async setSubscribed(publication: RemotePublication, subscribed: boolean): Promise<void> {
    publication.wanted = subscribed;
    if (this.#mediaMode === 'peer') return this.#peers?.wishesChanged();
    if (subscribed) return this.#subscribe([publication.id]);
    this.#link?.drop(publication.id);
    this.#trackChanged(publication, undefined);
    await this.#requestMedia('unsubscribe', { publicationIds: [publication.id] });
  }

  /** @internal */
  async update(publication: RemotePublication, change: SubscriptionWishes): Promise<void> {
    Object.assign(publication.wishes, change);
    if (this.#mediaMode === 'peer') return this.#peers?.wishesChanged();
    await this.#requestMedia('update_subscriptions', { publicationIds: [publication.id], ...change });
  }

  // Joining and coming back.

  async #join(): Promise<void> {
    const { rtpCapabilities } = this.#session.welcome;
    if (!rtpCapabilities) throw new FlotillaError('NO_CAPACITY');
    // The capture time of frames is what metadata is aligned by.
    const device = new Device({ forcedRtpExtensions: { [captureTimeExtension]: true } });
    await device.load({
      routerRtpCapabilities: rtpCapabilities as unknown as Parameters<Device['load']>[0]['routerRtpCapabilities'],
    });
    this.#device = device;
    const { room, name, subscribe = true } = this.#options;
    const reply = await this.#session.request('join', {
      room,
      ...(name !== undefined && { name }),
      rtpCapabilities: this.#receivable(),
      subscribe,
    });
    this.#me = reply.snapshot.participants.find(({ id }) => id === reply.participantId)!;
    this.#startMedia(reply.snapshot.mediaMode);
    this.#applySnapshot(reply.snapshot);
    this.#setState('connected');
    if (reply.media) await this.#useMedia(reply.media);
  }

  /** Joins again with a new session, and publishes again what was published with the old one. */
  async #begin(): Promise<void> {
    const mine = [...this.#mine.values()];
    this.#mine.clear();
    await this.#join();
    await Promise.all(mine.map((publication) => this.#republish(publication, undefined)));
  }

  /** The way media goes in a room that was just joined. */
  #startMedia(mode: MediaMode): void {
    this.#peers?.close();
    this.#peers = undefined;
    if (mode === 'peer') {
      this.#link?.close();
      this.#link = undefined;
      this.#peers = new PeerCall({
        participantId: this.#me.id,
        iceServers: this.#options.iceServers ?? [],
        send: (part) => this.#request('negotiate', part),
        wants: (id) => {
          const publication = this.#findPublication(id);
          return publication ? publication.wanted && !publication.wishes.paused : (this.#options.subscribe ?? true);
        },
        received: (participantId, streams, ended) => this.#receiveFromPeer(participantId, streams, ended),
        handedOver: (left) => this.#endPeers(left),
      });
    }
    if (mode === this.#mediaMode) return;
    this.#mediaMode = mode;
    this.emit('mediaModeChanged', mode);
  }

  #receivable(): RequestPayload<'open_media'>['rtpCapabilities'] {
    return this.#device.recvRtpCapabilities as unknown as RequestPayload<'open_media'>['rtpCapabilities'];
  }

  #applySnapshot({ room, participants, publications, offset }: RoomSnapshot): void {
    this.#info = room;
    this.#session.setOffset(room.id, offset);
    const present = new Set(participants.map(({ id }) => id));
    for (const participant of this.#participants.values())
      if (!present.has(participant.id)) this.#removeParticipant(participant.id);
    for (const participant of participants) this.#addParticipant(participant);
    const published = new Set(publications.map(({ id }) => id));
    for (const participant of this.#participants.values()) {
      for (const id of participant.publications.keys())
        if (!published.has(id) && !this.#peers?.brings(id)) this.#removePublication(participant.id, id);
    }
    for (const publication of publications) this.#putPublication(publication);
  }

  #onResumed(rooms: ReplyPayload<'resume'>['rooms']): void {
    const mine = rooms.find(({ roomId }) => roomId === this.id);
    if (!mine) {
      this.#session.close();
      return this.#end(new FlotillaError('NOT_IN_ROOM', 'you were removed from the room while you were away'));
    }
    if (mine.snapshot) this.#applySnapshot(mine.snapshot);
    this.#setState('connected');
    if (mine.snapshot?.mediaMode === 'sfu') this.#moveToSfu();
    if (this.#mediaMode === 'peer') this.#peers?.resumed(mine.snapshot !== undefined);
    this.#sayWhatWasKept();
  }

  #setState(state: RoomState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    this.emit('stateChanged', state);
  }

  #end(error: FlotillaError | undefined): void {
    if (this.#state === 'closed') return;
    clearInterval(this.#statsTimer);
    void this.#endMigration('MIGRATION_OVER');
    this.#link?.close();
    this.#formerLink?.close();
    this.#peers?.close();
    this.metadata.close();
    this.#setState('closed');
    this.emit('closed', error);
  }

  #request<T extends RequestType>(type: T, payload: RequestPayload<T>): Promise<ReplyPayload<T>> {
    return this.#session.request(type, payload, roomAddress(this.id));
  }

  // Events of the room.

  #onEvent(event: Event): void {
    if (addressee('room', event.to) !== this.#info?.id || !Object.hasOwn(roomEvents, event.type)) return;
    const parsed = roomEvents[event.type as RoomEventType].safeParse(event.payload);
    if (!parsed.success) return;
    this.#apply(event.type as RoomEventType, parsed.data as never, event.from);
  }

  #apply(type: RoomEventType, payload: never, from: string): void {
    const apply: { [K in RoomEventType]: (payload: ReturnType<(typeof roomEvents)[K]['parse']>) => void } = {
      participant_joined: ({ participant }) => this.#addParticipant(participant),
      participant_left: ({ participantId, reason }) => {
        if (participantId === this.#me.id) {
          this.#session.close();
          this.#end(
            new FlotillaError(
              'NOT_IN_ROOM',
              reason === 'removed' ? 'you were removed from the room' : 'you are no longer in the room',
            ),
          );
        } else this.#removeParticipant(participantId);
      },
      publication_added: ({ publication }) => this.#putPublication(publication),
      publication_updated: ({ publication }) => this.#putPublication(publication),
      publication_removed: ({ participantId, publicationId }) => this.#removePublication(participantId, publicationId),
      speakers: ({ nodeId, speakers }) =>
        this.#setSpeakers(nodeId, new Map(speakers.map(({ participantId, level }) => [participantId, level]))),
      active_speaker: ({ participantId }) => this.emit('activeSpeakerChanged', participantId),
      message: ({ data }) => this.emit('message', data, from, this.#participants.get(from)),
      media_lost: ({ participantIds }) => {
        // A node that we do not use yet is replaced when we do.
        if (this.#mediaMode === 'sfu' && participantIds.includes(this.#me.id)) this.#reopenMedia();
      },
      media_mode: ({ mediaMode }) => {
        if (mediaMode === 'sfu') this.#moveToSfu();
      },
      negotiation: (part) => this.#peers?.receive(from, part),
      migrate: (migration) => void this.#migrate(migration),
      migration_undone: ({ migrationId }) => {
        if (this.#migration?.id === migrationId) void this.#endMigration('MIGRATION_OVER');
      },
      participant_moved: () => undefined,
      metadata_moved: ({ relayId, reason }) => void this.metadata.moved(relayId, reason),
      room_deleted: () => {
        this.#session.close();
        this.#end(new FlotillaError('ROOM_NOT_FOUND', 'the room was deleted'));
      },
    };
    apply[type](payload);
  }

  #addParticipant({ id, userId, name, joinedAt }: Participant): void {
    if (id === this.#me.id || this.#participants.has(id)) return;
    const participant = new RemoteParticipant(id, userId, name, joinedAt);
    this.#participants.set(id, participant);
    this.emit('participantJoined', participant);
    if (this.#mediaMode === 'peer') this.#peers?.meet(id);
  }

  #removeParticipant(id: string): void {
    const participant = this.#participants.get(id);
    if (!participant) return;
    this.#peers?.part(id);
    this.metadata.participantLeft(id);
    for (const publicationId of [...participant.publications.keys()]) this.#removePublication(id, publicationId);
    this.#participants.delete(id);
    this.emit('participantLeft', participant);
  }

  #putPublication(announced: Publication): void {
    const mine = this.#mine.get(announced.id);
    if (mine) mine.announced = { ...announced, muted: mine.announced.muted };
    const participant = this.#participants.get(announced.participantId);
    if (!participant) return;
    const known = participant.publications.get(announced.id);
    const publication = known ?? new RemotePublication(announced, this.#options.subscribe ?? true, this);
    const muted = publication.muted;
    publication.announced = announced;
    if (!known) {
      participant.publications.set(publication.id, publication);
      this.emit('publicationAdded', publication, participant);
    } else if (muted !== announced.muted) {
      this.emit('publicationUpdated', publication, participant);
    }
    const received = this.#link?.consumer(publication.id);
    if (received?.producerId === announced.producerId) this.#play(publication, received);
    else if (publication.wanted && this.#link) this.#subscribeSoon(publication.id);
  }

  #removePublication(participantId: string, publicationId: string): void {
    const participant = this.#participants.get(participantId);
    const publication = participant?.publications.get(publicationId);
    if (!participant || !publication) return;
    participant.publications.delete(publicationId);
    this.#toSubscribe.delete(publicationId);
    this.#link?.drop(publicationId);
    this.#peers?.tookOver(publicationId);
    publication.setTrack(undefined);
    this.emit('publicationRemoved', publication, participant);
  }

  #setSpeakers(nodeId: string, levels: Map<string, number>): void {
    this.#speakers.set(nodeId, levels);
    const heard = new Map([...this.#speakers.values()].flatMap((each) => [...each]));
    for (const participant of this.#participants.values()) participant.audioLevel = heard.get(participant.id) ?? -127;
    this.emit('speakersChanged', new Set(heard.keys()));
  }

  #trackChanged(publication: RemotePublication, track: MediaStreamTrack | undefined): void {
    if (publication.track === track) return;
    publication.setTrack(track);
    const participant = this.#participants.get(publication.participantId);
    if (participant) this.emit('trackChanged', publication, participant);
  }

  // Media.

  /** Asks the node that our media is on, and while we move, the one whose media we use. */
  #requestMedia<T extends RequestType>(type: T, payload: RequestPayload<T>): Promise<ReplyPayload<T>> {
    return this.#link ? this.#link.request(type, payload) : this.#request(type, payload);
  }

  #openLink(): MediaLink {
    if (!this.#link) throw new FlotillaError('MEDIA_NOT_OPEN', 'the media connection is being brought back');
    return this.#link;
  }

  #newLink(media: MediaSession, request: RoomRequest): MediaLink {
    const { iceServers = [] } = this.#options;
    return new MediaLink(this.#device, media, request, (broken) => this.#onBroken(broken), iceServers);
  }

  /** Uses the transports of a node from now on. What the node sends already is received first, then what is missing. */
  async #useMedia(media: MediaSession): Promise<void> {
    const link = this.#newLink(media, (type, payload) => this.#request(type, payload));
    const former = this.#link;
    this.#link = link;
    await this.#receive(link, media.subscriptions);
    former?.close();
    this.#subscribeMissing();
  }

  /** Asks for what is wanted and not received, or received of a producer that another took the place of meanwhile. */
  #subscribeMissing(): void {
    const missing = [...this.#participants.values()]
      .flatMap((participant) => [...participant.publications.values()])
      .filter(({ id, wanted, announced }) => wanted && this.#link?.consumer(id)?.producerId !== announced.producerId);
    if (missing.length > 0) void this.#subscribe(missing.map(({ id }) => id));
  }

  async #receive(link: MediaLink, subscriptions: readonly Subscription[]): Promise<void> {
    const consumers = await link.receive(subscriptions);
    if (link !== this.#link) return;
    for (const [publicationId, consumer] of consumers) {
      const publication = this.#findPublication(publicationId);
      // Of a publication whose announcement is still on its way; #putPublication finds the consumer then.
      if (!publication) continue;
      this.#play(publication, consumer);
      // A new subscription knows nothing of what was asked of the one before.
      const { wishes } = publication;
      if (Object.keys(wishes).length > 0) this.update(publication, wishes).catch(() => undefined);
    }
  }

  /** Plays what comes from the SFU; in place of something that is playing only once there is a picture. */
  #play(publication: RemotePublication, consumer: Consumer): void {
    const { track } = publication;
    if (!track || track === consumer.track) return this.#trackChanged(publication, consumer.track);
    const link = this.#link;
    void firstMedia(consumer).then(() => {
      if (this.#link !== link || link?.consumer(publication.id) !== consumer) return;
      this.#trackChanged(publication, consumer.track);
      link.letGoOfFormer(publication.id);
      this.#peers?.tookOver(publication.id);
    });
  }

  /** The room moves our media to another node. The old one goes on until we are on the new. */
  async #migrate(migration: RoomEventPayload<'migrate'>): Promise<void> {
    // One at a time: another is only asked for when this one is over for the room.
    while (this.#migration) await this.#endMigration('MIGRATION_OVER');
    const former = this.#link;
    if (!former || this.#reopening) return;
    const abort = new AbortController();
    const ended = this.#changeNode(migration, former, abort.signal);
    this.#migration = { id: migration.migrationId, abort, ended };
    await ended;
    this.#migration = undefined;
  }

  async #endMigration(code: 'MIGRATION_OVER' | 'MEDIA_NOT_OPEN'): Promise<void> {
    this.#migration?.abort.abort(new FlotillaError(code));
    await this.#migration?.ended;
  }

  /** Never rejects: what kept us from moving is told as an event. */
  async #changeNode(migration: RoomEventPayload<'migrate'>, former: MediaLink, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    try {
      await migrate(this.#migrationHost(former, signal), migration, former);
      this.emit('migrated', { fromNode: former.nodeId, toNode: migration.media.nodeId, ms: performance.now() - began });
      this.#subscribeMissing();
    } catch (error) {
      this.emit('migrationFailed', FlotillaError.from(error));
    }
  }

  #migrationHost(former: MediaLink, signal: AbortSignal): MigrationHost {
    return {
      signal,
      request: (type, payload) => this.#request(type, payload),
      openLink: (media, request) => this.#newLink(media, request),
      shows: (id) => {
        const publication = this.#findPublication(id);
        return publication !== undefined && publication.wanted && !publication.muted && !publication.wishes.paused;
      },
      applyWishes: async (request, ids) => {
        for (const id of ids) {
          const wishes = this.#findPublication(id)?.wishes ?? {};
          if (Object.keys(wishes).length > 0)
            await request('update_subscriptions', { publicationIds: [id], ...wishes });
        }
      },
      use: (link, consumers) => {
        this.#link = link;
        this.#formerLink = link === former ? undefined : former;
        for (const participant of this.#participants.values()) {
          for (const publication of participant.publications.values()) {
            const consumer = consumers.get(publication.id) ?? link.consumer(publication.id);
            if (consumer) this.#trackChanged(publication, consumer.track);
          }
        }
      },
      publishOn: async (link) => {
        const before = [...this.#mine.values()].map((publication) => ({
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

  /** Puts a producer of the link behind a publication of ours: one that the room knows by that id, or a new one. */
  async #publishOn(link: MediaLink, publication: LocalPublication, publicationId: string | undefined): Promise<void> {
    const { track } = publication;
    if (!track || track.readyState === 'ended') return;
    const { source, label, muted } = publication.announced;
    const options = producerOptions(this.#device, track, source, this.#codecOf.get(publication));
    const { producer, publication: announced } = await link.publish(
      { source, label, muted, publicationId },
      { track, ...options },
    );
    // It may have been muted meanwhile.
    if (publication.muted) producer.pause();
    publication.producer = producer;
    publication.announced = { ...announced, muted: publication.muted };
  }

  #receiveFromPeer(participantId: string, streams: readonly PeerReceived[], ended: readonly string[]): void {
    for (const id of ended) this.#removePublication(participantId, id);
    for (const { mid: _mid, publicationId, track, ...stream } of streams) {
      const announced = { ...stream, id: publicationId, participantId, producerId: noProducer };
      // Nobody else's publication, nor one of ours, goes by the id that they say.
      const known = this.#findPublication(publicationId);
      if (this.#mine.has(publicationId) || (known && known.participantId !== participantId)) continue;
      this.#putPublication(announced);
      const publication = this.#findPublication(publicationId);
      if (publication) this.#trackChanged(publication, publication.wanted ? track : undefined);
    }
  }

  /** A third joined: opens media on the SFU beside what there is, and moves over to it without an end between. */
  #moveToSfu(): void {
    if (this.#mediaMode === 'sfu') return;
    this.#mediaMode = 'sfu';
    this.emit('mediaModeChanged', 'sfu');
    this.#peers?.beginHandOver();
    this.#sampler = new StatsSampler();
    this.#reopenMedia();
  }

  /** The connection to the other participant is closed. `left`: what came by it and does not come from the SFU. */
  #endPeers(left: readonly string[]): void {
    this.#peers = undefined;
    for (const id of left) {
      const publication = this.#findPublication(id);
      if (!publication) continue;
      const received = this.#link?.consumer(id);
      if (received) this.#trackChanged(publication, received.track);
      else if (publication.announced.producerId === noProducer) this.#removePublication(publication.participantId, id);
      else this.#trackChanged(publication, undefined);
    }
  }

  #findPublication(publicationId: string): RemotePublication | undefined {
    for (const { publications } of this.#participants.values()) {
      const publication = publications.get(publicationId);
      if (publication) return publication;
    }
    return undefined;
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

  /** Asks for publications until they come, are gone, or turn out not to be receivable. */
  async #subscribe(publicationIds: readonly string[], attempt = 0): Promise<void> {
    const link = this.#link;
    const wanted = publicationIds.filter((id) => this.#findPublication(id)?.wanted);
    if (!link || link.closed || wanted.length === 0 || this.#state === 'closed') return;
    let again: string[];
    try {
      const { subscriptions, failed } = await link.request('subscribe', { publicationIds: wanted });
      await this.#receive(link, subscriptions);
      again = failed
        .filter(({ error }) => error.code !== 'MEDIA_UNSUPPORTED')
        .map(({ publicationId }) => publicationId);
    } catch (error) {
      // Media that is gone is opened anew, and brings its subscriptions along.
      if (FlotillaError.from(error).code === 'MEDIA_NOT_OPEN') return this.#onBroken(link);
      again = wanted;
    }
    const pause = retryPausesMs[attempt];
    if (again.length === 0 || pause === undefined) return;
    setTimeout(() => void this.#subscribe(again, attempt + 1), pause);
  }

  #onBroken(link: MediaLink): void {
    if (link === this.#link) this.#reopenMedia();
  }

  /** The node, or its worker, lost our media: open it anew, there or elsewhere, and publish again what we published. */
  #reopenMedia(): void {
    this.#reopening ??= this.#reopen()
      .catch((error: unknown) => {
        this.#session.close();
        this.#end(FlotillaError.from(error));
      })
      .finally(() => (this.#reopening = undefined));
  }

  async #reopen(): Promise<void> {
    // Moving to the SFU loses nothing.
    const lost = this.#link !== undefined;
    if (lost) this.emit('mediaChanged', 'lost');
    // The side we would go back to is gone.
    await this.#endMigration('MEDIA_NOT_OPEN');
    // The old link stays until the new one is used: its last frames are better than none.
    for (let attempt = 0; this.#state !== 'closed'; attempt++) {
      try {
        const media = await this.#request('open_media', {
          rtpCapabilities: this.#receivable(),
          subscribe: this.#options.subscribe ?? true,
        });
        await this.#useMedia(media);
        await Promise.all([...this.#mine.values()].map((publication) => this.#republish(publication, publication.id)));
        if (lost) this.emit('mediaChanged', 'restored');
        return;
      } catch (error) {
        const pause = retryPausesMs[attempt];
        if (pause === undefined) throw error;
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }

  /** Puts a new producer behind a publication: behind the one of that id, or, where the room knows none, a new one. */
  async #republish(publication: LocalPublication, publicationId: string | undefined): Promise<void> {
    const { track } = publication;
    if (!track || track.readyState === 'ended') {
      // Its device is gone: there is nothing to publish any more.
      this.#mine.delete(publication.id);
      if (publicationId !== undefined) await this.#requestMedia('unpublish', { publicationId });
      return;
    }
    const { source, label, muted } = publication.announced;
    if (this.#mediaMode === 'peer') {
      const videoCodec = this.#codecOf.get(publication);
      const { id } = publication;
      publication.producer = this.#peers!.publish(track, { publicationId: id, source, label, muted, videoCodec });
      this.#mine.set(id, publication);
      return;
    }
    await this.#publishOn(this.#openLink(), publication, publicationId).catch((error: unknown) => {
      // Somebody else has that id: we get another.
      if (publicationId === undefined || FlotillaError.from(error).code !== 'PUBLICATION_NOT_FOUND') throw error;
      this.#mine.delete(publicationId);
      return this.#publishOn(this.#openLink(), publication, undefined);
    });
    this.#mine.set(publication.id, publication);
  }

  async #sampleStats(): Promise<void> {
    const source = this.#link ?? this.#peers?.link;
    if (!source || source.closed) return;
    const byTrack = new Map<string, string>();
    for (const { id, track } of this.#mine.values()) if (track) byTrack.set(track.id, id);
    for (const { publications } of this.#participants.values())
      for (const { id, track } of publications.values()) if (track) byTrack.set(track.id, id);
    try {
      const stats = await this.#sampler.sample(source, (trackId) => byTrack.get(trackId));
      this.#stats = stats;
      for (const [id, received] of stats.received) {
        const publication = this.#findPublication(id);
        if (publication)
          publication.quality = received.bitrate === 0 && !publication.muted ? 0 : qualityLevel(received, stats.rttMs);
      }
      this.emit('qualityChanged', stats);
    } catch {
      // The link closed while it was asked.
    }
  }
}
