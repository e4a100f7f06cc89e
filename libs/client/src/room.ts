import {
  addressee,
  type Event,
  FlotillaError,
  type MediaMode,
  newId,
  type Participant,
  type Publication,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  roomAddress,
  type RoomEventType,
  roomEvents,
  type RoomSnapshot,
  type Source,
} from '@flotilla/contracts';
import { Device } from 'mediasoup-client';
import { Emitter } from './emitter.ts';
import { producerOptions, type VideoCodec } from './media/encodings.ts';
import { captureTimeExtension } from './metadata/frame-times.ts';
import { RoomMetadata } from './metadata/room-metadata.ts';
import { noProducer, PeerCall } from './p2p/peer-call.ts';
import type { PeerReceived } from './p2p/peer-link.ts';
import {
  LocalPublication,
  type PublicationActions,
  RemoteParticipant,
  RemotePublication,
  type SubscriptionWishes,
} from './publication.ts';
import { qualityLevel, type RoomStats, StatsSampler } from './media/quality.ts';
import { SfuMedia, type SfuMediaHost } from './sfu/sfu-media.ts';
import { SignalSession, type TokenSource } from './signaling/signal-session.ts';

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
/** A room you are in. Made by `connect`. */
export class Room extends Emitter<RoomEvents> implements PublicationActions {
  readonly #options: ConnectOptions;
  #session!: SignalSession;
  #device!: Device;
  readonly #sfu: SfuMedia;
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
  /** The latest about a publication of ours that the room has not been told. */
  readonly #unsaid = new Map<string, () => Promise<unknown>>();

  private constructor(options: ConnectOptions) {
    super();
    this.#options = options;
    this.metadata = new RoomMetadata({
      request: (type, payload) => this.#request(type, payload),
      participants: this.#participants,
      receiverOf: (track) => this.#sfu.receiverOf(track),
    });
    this.#sfu = new SfuMedia(this.#sfuHost());
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
    return this.#sfu.link?.nodeId;
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
    const link = await this.#sfu.opened();
    const { producer, publication } = await link.publish(
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
    if (muted) this.#sfu.closeFormer();
    if (muted) publication.producer.pause();
    else publication.producer.resume();
    if (this.#mediaMode === 'peer') return this.#peers?.streamsChanged();
    await this.#sayOrKeep(publication.id, () => this.#sfu.request('mute', { publicationId: publication.id, muted }));
  }

  /** @internal */
  async unpublish(publication: LocalPublication): Promise<void> {
    this.#mine.delete(publication.id);
    this.#peers?.unpublish(publication.id);
    publication.producer.close();
    if (this.#mediaMode === 'peer') return;
    await this.#sayOrKeep(publication.id, () => this.#sfu.request('unpublish', { publicationId: publication.id }));
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
    if (subscribed) return this.#sfu.subscribe([publication.id]);
    this.#sfu.drop(publication.id);
    this.#trackChanged(publication, undefined);
    await this.#sfu.request('unsubscribe', { publicationIds: [publication.id] });
  }

  /** @internal */
  async update(publication: RemotePublication, change: SubscriptionWishes): Promise<void> {
    Object.assign(publication.wishes, change);
    if (this.#mediaMode === 'peer') return this.#peers?.wishesChanged();
    await this.#sfu.request('update_subscriptions', { publicationIds: [publication.id], ...change });
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
    if (reply.media) await this.#sfu.use(reply.media);
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
      this.#sfu.close();
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
    this.#sfu.close();
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
      participant_connection: () => {},
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
        if (this.#mediaMode === 'sfu' && participantIds.includes(this.#me.id)) this.#sfu.reopen();
      },
      media_mode: ({ mediaMode }) => {
        if (mediaMode === 'sfu') this.#moveToSfu();
      },
      negotiation: (part) => this.#peers?.receive(from, part),
      migrate: (migration) => void this.#sfu.migrate(migration),
      migration_rolled_back: ({ migrationId }) => this.#sfu.migrationUndone(migrationId),
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
    this.#sfu.announced(publication);
  }

  #removePublication(participantId: string, publicationId: string): void {
    const participant = this.#participants.get(participantId);
    const publication = participant?.publications.get(publicationId);
    if (!participant || !publication) return;
    participant.publications.delete(publicationId);
    this.#sfu.drop(publicationId);
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

  #sfuHost(): SfuMediaHost {
    // Getters, as most of it is known only after the join.
    const room = (): Room => this;
    return {
      get device() {
        return room().#device;
      },
      get goesOn() {
        return room().#state !== 'closed';
      },
      iceServers: this.#options.iceServers ?? [],
      subscribesByItself: this.#options.subscribe ?? true,
      request: (type, payload) => this.#request(type, payload),
      published: () => [...this.#participants.values()].flatMap(({ publications }) => [...publications.values()]),
      find: (id) => this.#findPublication(id),
      mine: this.#mine,
      codecOf: (publication) => this.#codecOf.get(publication),
      trackChanged: (publication, track) => this.#trackChanged(publication, track),
      tookOver: (id) => this.#peers?.tookOver(id),
      askAgain: (publication) => void this.update(publication, publication.wishes).catch(() => undefined),
      republish: () =>
        Promise.all([...this.#mine.values()].map((publication) => this.#republish(publication, publication.id))),
      mediaChanged: (state) => this.emit('mediaChanged', state),
      migrated: (move) => this.emit('migrated', move),
      migrationFailed: (error) => this.emit('migrationFailed', error),
      failed: (error) => {
        this.#session.close();
        this.#end(error);
      },
    };
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
    this.#sfu.reopen();
  }

  /** The connection to the other participant is closed. `left`: what came by it and does not come from the SFU. */
  #endPeers(left: readonly string[]): void {
    this.#peers = undefined;
    for (const id of left) {
      const publication = this.#findPublication(id);
      if (!publication) continue;
      const received = this.#sfu.link?.consumer(id);
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

  /** Puts a new producer behind a publication: behind the one of that id, or, where the room knows none, a new one. */
  async #republish(publication: LocalPublication, publicationId: string | undefined): Promise<void> {
    const { track } = publication;
    if (!track || track.readyState === 'ended') {
      // Its device is gone: there is nothing to publish any more.
      this.#mine.delete(publication.id);
      if (publicationId !== undefined) await this.#sfu.request('unpublish', { publicationId });
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
    await this.#sfu.publish(publication, publicationId).catch((error: unknown) => {
      // Somebody else has that id: we get another.
      if (publicationId === undefined || FlotillaError.from(error).code !== 'PUBLICATION_NOT_FOUND') throw error;
      this.#mine.delete(publicationId);
      return this.#sfu.publish(publication, undefined);
    });
    this.#mine.set(publication.id, publication);
  }

  async #sampleStats(): Promise<void> {
    const source = this.#sfu.link ?? this.#peers?.link;
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
