import {
  FlotillaError,
  type IceServer,
  type LeaveReason,
  mayHaveMedia,
  type MediaMode,
  type Participant,
  type Publication,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  type RoomGrant,
  roomAddress,
  type RoomSnapshot,
} from '@flotilla/contracts';
import type { Device } from 'mediasoup-client';
import { repeatUntilAnswered } from '../signaling/repeat.ts';
import type { SignalSession } from '../signaling/signal-session.ts';
import { Emitter } from './emitter.ts';
import type { LocalPublication } from './local-publication.ts';
import type { ConnectOptions } from './options.ts';
import { ParticipantPages } from './participant-pages.ts';
import { RemoteParticipant, silentLevel } from './participant.ts';
import { RemotePublication, type SubscriptionActions } from './remote-publication.ts';
import type { ConnectionState, RoomEvents } from './room-events.ts';

/** `producerId` of a publication that is sent directly, without an SFU node. */
export const noProducer = 'peer';

/** Changes that the parts of the SDK react to. Emitted after the matching event of the room, unless noted otherwise. */
type StateChanges = {
  participantAdded: [participantId: string];
  /** Before its publications are removed. */
  participantRemoved: [participantId: string];
  /** The grants of the local participant were replaced. */
  grantsChanged: [];
  /** A publication was added or its announcement was replaced. */
  publicationAnnounced: [publication: RemotePublication];
  publicationRemoved: [publicationId: string];
  /** Media of a publication arrives through an SFU node and is shown. */
  receivedFromSfu: [publicationId: string];
  /** The direct call closed before these publications arrived through an SFU node. */
  directCallClosed: [remaining: readonly string[]];
  /** The signaling connection is usable again. */
  connected: [];
  closed: [];
};

interface RepeatOptions {
  readonly signal?: AbortSignal;
  readonly mayRepeat?: (error: FlotillaError) => boolean;
}

/** The state of a room that signaling, SFU media, direct calls and metadata share. Owns participants and publications. */
export class RoomState {
  readonly participants = new Map<string, RemoteParticipant>();
  readonly localPublications = new Map<string, LocalPublication>();
  readonly changes = new Emitter<StateChanges>();
  readonly pages = new ParticipantPages(this);
  readonly #events: Emitter<RoomEvents>;
  /** Speaker levels by node and participant. */
  readonly #levels = new Map<string, ReadonlyMap<string, number>>();
  #speakers: ReadonlySet<string> = new Set();
  #connection: ConnectionState = 'connected';
  #mediaMode: MediaMode = 'sfu';
  readonly #mediaErrors = new Map<MediaMode, FlotillaError>();
  /** Set once by `Room`, before the first snapshot. */
  subscriptionActions!: SubscriptionActions;
  session!: SignalSession;
  device!: Device;
  info: RoomSnapshot['room'] | undefined;
  me!: Participant;
  /** TURN servers of the fleet, from the last reply that had any. */
  #fleetIceServers: readonly IceServer[] = [];

  constructor(
    readonly options: ConnectOptions,
    events: Emitter<RoomEvents>,
  ) {
    this.#events = events;
  }

  // Requests.

  /** Sends a request about this room. */
  request<T extends RequestType>(type: T, payload: RequestPayload<T>): Promise<ReplyPayload<T>> {
    return this.session.request(type, payload, roomAddress(this.info!.id));
  }

  /**
   * Sends an idempotent request, repeated when its reply is lost, also across a reconnect.
   * @param withinMs after which the last error is thrown.
   */
  repeat<T>(send: () => Promise<T>, withinMs: number, options: RepeatOptions = {}): Promise<T> {
    const { signal, mayRepeat } = options;
    return repeatUntilAnswered(send, {
      deadline: performance.now() + withinMs,
      whenConnected: () => this.#whenConnected(),
      isOpen: () => this.isOpen && signal?.aborted !== true,
      ...(mayRepeat && { mayRepeat }),
    });
  }

  /** Resolves when the signaling connection is usable, or the room is closed. */
  #whenConnected(): Promise<void> {
    if (this.#connection !== 'reconnecting') return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        for (const stop of stops) stop();
        resolve();
      };
      const stops = [this.changes.on('connected', done), this.changes.on('closed', done)];
    });
  }

  /** STUN and TURN servers for new connections: those of the application, then those of the fleet. */
  get iceServers(): RTCIceServer[] {
    return [...(this.options.iceServers ?? []), ...this.#fleetIceServers];
  }

  /** Keeps the TURN servers of a reply, whose credential replaces the previous one. */
  setIceServers({ iceServers }: { readonly iceServers?: readonly IceServer[] | undefined }): void {
    if (iceServers) this.#fleetIceServers = iceServers;
  }

  emit<K extends keyof RoomEvents>(name: K, ...args: RoomEvents[K]): void {
    this.#events.emit(name, ...args);
  }

  // Connection.

  get connection(): ConnectionState {
    return this.#connection;
  }

  get isOpen(): boolean {
    return this.#connection !== 'closed';
  }

  /** @throws FlotillaError NOT_IN_ROOM when the room was closed, for what continues after an await. */
  assertOpen(): void {
    if (!this.isOpen) throw new FlotillaError('NOT_IN_ROOM', 'the room was closed meanwhile');
  }

  setConnection(connection: 'connected' | 'reconnecting'): void {
    if (this.#connection === connection || !this.isOpen) return;
    this.#connection = connection;
    this.emit('stateChanged', connection);
    if (connection === 'connected') this.changes.emit('connected');
  }

  /** Closes the room for good. Does nothing the second time. */
  close(error: FlotillaError | undefined): void {
    if (!this.isOpen) return;
    this.#connection = 'closed';
    this.session.close();
    this.changes.emit('closed');
    this.emit('stateChanged', 'closed');
    this.emit('closed', error);
  }

  /** Why media has no network path: through the SFU, or directly. Undefined while it has one or is connecting. */
  get mediaError(): FlotillaError | undefined {
    return this.#mediaErrors.get('sfu') ?? this.#mediaErrors.get('peer');
  }

  setMediaError(mode: MediaMode, error: FlotillaError | undefined): void {
    const previous = this.mediaError;
    if (error) this.#mediaErrors.set(mode, error);
    else this.#mediaErrors.delete(mode);
    if (this.isOpen && this.mediaError?.message !== previous?.message) this.emit('mediaErrorChanged', this.mediaError);
  }

  get mediaMode(): MediaMode {
    return this.#mediaMode;
  }

  setMediaMode(mode: MediaMode): void {
    if (mode === this.#mediaMode) return;
    this.#mediaMode = mode;
    this.emit('mediaModeChanged', mode);
  }

  // Participants and publications.

  /**
   * Replaces the state by a snapshot. The participants that a snapshot of a large room leaves out are listed afterwards.
   * @param keep publications that stay although the room does not have them.
   */
  applySnapshot(snapshot: RoomSnapshot, keep: (publicationId: string) => boolean): void {
    const { room, participants, offset, next } = snapshot;
    this.info = room;
    this.session.setOffset(room.id, offset);
    if (next === undefined) this.retainParticipants(new Set(participants.map(({ id }) => id)));
    this.applyPage(snapshot, keep);
    this.pages.start(snapshot, keep);
  }

  /** Removes the other participants. */
  retainParticipants(present: ReadonlySet<string>): void {
    for (const id of [...this.participants.keys()]) if (!present.has(id)) this.removeParticipant(id);
  }

  /** Adds participants with all of their publications, or replaces what is known of them. @param keep as for `applySnapshot`. */
  applyPage(
    { participants, publications }: Pick<RoomSnapshot, 'participants' | 'publications'>,
    keep: (publicationId: string) => boolean,
  ): void {
    const published = new Set(publications.map(({ id }) => id));
    for (const participant of participants) {
      const { id } = participant;
      this.addParticipant(participant);
      this.setGrants(id, participant.grants);
      for (const publicationId of [...(this.participants.get(id)?.publications.keys() ?? [])])
        if (!published.has(publicationId) && !keep(publicationId)) this.removePublication(id, publicationId);
    }
    for (const publication of publications) this.putPublication(publication);
  }

  addParticipant(participant: Participant): void {
    const { id } = participant;
    if (id === this.me.id) return;
    if (this.participants.has(id)) return this.setParticipantConnection(id, participant.connection);
    const added = new RemoteParticipant(participant);
    this.participants.set(id, added);
    this.emit('participantJoined', added);
    this.changes.emit('participantAdded', id);
  }

  removeParticipant(id: string, reason?: LeaveReason): void {
    const participant = this.participants.get(id);
    if (!participant) return;
    this.changes.emit('participantRemoved', id);
    for (const publicationId of [...participant.publications.keys()]) this.removePublication(id, publicationId);
    this.participants.delete(id);
    this.emit('participantLeft', participant, reason);
    this.#updateSpeakers();
  }

  setParticipantConnection(id: string, connection: Participant['connection']): void {
    const participant = this.participants.get(id);
    if (!participant || participant.connection === connection) return;
    participant.connection = connection;
    this.emit('participantConnectionChanged', participant);
    this.#updateSpeakers();
  }

  /** Replaces the grants of a participant, the local one included. */
  setGrants(id: string, grants: readonly RoomGrant[]): void {
    const participant = id === this.me.id ? this.me : this.participants.get(id);
    if (!participant || participant.grants.join() === grants.join()) return;
    participant.grants = [...grants];
    if (participant === this.me) this.changes.emit('grantsChanged');
    this.emit('grantsChanged', id, grants);
  }

  /** Whether the local participant may publish or subscribe. */
  get mayHaveMedia(): boolean {
    return mayHaveMedia(this.me.grants);
  }

  /** Adds a publication, or replaces its announcement. */
  putPublication(announced: Publication): void {
    const local = this.localPublications.get(announced.id);
    if (local) local.announced = { ...announced, muted: local.announced.muted };
    const participant = this.participants.get(announced.participantId);
    if (!participant) return;
    const known = participant.publications.get(announced.id);
    const publication =
      known ?? new RemotePublication(announced, this.subscribesAutomatically, this.subscriptionActions);
    const { muted } = publication;
    publication.announced = announced;
    if (!known) {
      participant.publications.set(publication.id, publication);
      this.emit('publicationAdded', publication, participant);
    } else if (muted !== announced.muted) {
      this.emit('publicationUpdated', publication, participant);
    }
    this.changes.emit('publicationAnnounced', publication);
  }

  removePublication(participantId: string, publicationId: string): void {
    const participant = this.participants.get(participantId);
    const publication = participant?.publications.get(publicationId);
    if (!participant || !publication) return;
    participant.publications.delete(publicationId);
    publication.end();
    this.changes.emit('publicationRemoved', publicationId);
    publication.setTrack(undefined);
    this.emit('publicationRemoved', publication, participant);
  }

  setTrack(publication: RemotePublication, track: MediaStreamTrack | undefined): void {
    if (publication.track === track) return;
    publication.setTrack(track);
    const participant = this.participants.get(publication.participantId);
    if (participant) this.emit('trackChanged', publication, participant);
  }

  setPausedForBandwidth(publication: RemotePublication, isPaused: boolean): void {
    if (publication.pausedForBandwidth === isPaused) return;
    publication.setPausedForBandwidth(isPaused);
    const participant = this.participants.get(publication.participantId);
    if (participant) this.emit('pausedForBandwidthChanged', publication, participant);
  }

  get subscribesAutomatically(): boolean {
    return this.options.subscribe ?? true;
  }

  /** The publications of all other participants. */
  remotePublications(): RemotePublication[] {
    return [...this.participants.values()].flatMap(({ publications }) => [...publications.values()]);
  }

  findPublication(publicationId: string): RemotePublication | undefined {
    for (const { publications } of this.participants.values()) {
      const publication = publications.get(publicationId);
      if (publication) return publication;
    }
    return undefined;
  }

  // Speakers.

  /** @param levels dBov by participant; replaces the node's previous levels. */
  setSpeakers(nodeId: string, levels: ReadonlyMap<string, number>): void {
    if (levels.size > 0) this.#levels.set(nodeId, levels);
    else this.#levels.delete(nodeId);
    this.#updateSpeakers(true);
  }

  #updateSpeakers(levelsChanged = false): void {
    const levels = new Map<string, number>();
    for (const [id, level] of [...this.#levels.values()].flatMap((each) => [...each])) {
      // A node's levels may name participants that have left meanwhile.
      if (id === this.me.id || this.participants.get(id)?.connection === 'connected') levels.set(id, level);
    }
    for (const participant of this.participants.values())
      participant.audioLevel = levels.get(participant.id) ?? silentLevel;
    const speakers = new Set(levels.keys());
    const isSame = speakers.size === this.#speakers.size && [...speakers].every((id) => this.#speakers.has(id));
    if (isSame && !levelsChanged) return;
    this.#speakers = speakers;
    this.emit('speakersChanged', speakers);
  }
}
