import {
  cleanText,
  FlotillaError,
  type MediaMode,
  type Participant,
  type ReplyPayload,
  type RequestPayload,
} from '@flotilla/contracts';
import { Device } from 'mediasoup-client';
import type { RoomStats } from '../media/quality.ts';
import { captureTimeExtension } from '../metadata/frame-times.ts';
import { RoomMetadata } from '../metadata/room-metadata.ts';
import type { PeerCall } from '../p2p/peer-call.ts';
import { SignalSession, type SignalSessionHandlers } from '../signaling/signal-session.ts';
import { Emitter } from './emitter.ts';
import { roomEventHandler } from './event-handlers.ts';
import type { LocalPublication } from './local-publication.ts';
import type { ConnectOptions, PublishOptions } from './options.ts';
import type { RemoteParticipant } from './participant.ts';
import type { ConnectionState, RoomEvents } from './room-events.ts';
import { RoomMedia } from './room-media.ts';
import { RoomState } from './room-state.ts';

/** How long `leave` waits for the server's answer, in milliseconds; closing the connection leaves the room, too. */
const leaveWithinMs = 2000;

/** A room that this client has joined. Created by `connect`. */
export class Room extends Emitter<RoomEvents> {
  readonly #state: RoomState;
  readonly #media: RoomMedia;
  /** Data beside the media, by topic, on the fleet's clock. */
  readonly metadata: RoomMetadata;

  private constructor(options: ConnectOptions) {
    super();
    this.#state = new RoomState(options, this);
    this.#media = new RoomMedia(this.#state);
    this.metadata = new RoomMetadata(this.#state, this.#media.sfu.links);
  }

  /** @internal */
  static async connect(url: string, options: ConnectOptions): Promise<Room> {
    const { signal } = options;
    signal?.throwIfAborted();
    const startedAt = performance.now();
    const room = new Room(options);
    const state = room.#state;
    const onEvent = roomEventHandler(state, room.#media, room.metadata);
    const handlers: SignalSessionHandlers = {
      onEvent,
      onDisconnected: () => state.setConnection('reconnecting'),
      onResumed: (rooms) => room.#resumed(rooms),
      onRestarted: () => room.#restart(),
      onRefreshed: (reply) => state.setIceServers(reply),
      onEnded: (error) => state.close(error),
    };
    state.session = await SignalSession.open(url, options.token, handlers, signal);
    // Closing the session also leaves a room whose join is still being answered.
    const abort = (): void => state.close(FlotillaError.from(signal?.reason));
    signal?.addEventListener('abort', abort, { once: true });
    try {
      signal?.throwIfAborted();
      await room.#join(startedAt);
      return room;
    } catch (error) {
      state.close(FlotillaError.from(error));
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  // State.

  /** The room's id. */
  get id(): string {
    return this.#state.info!.id;
  }

  get name(): string {
    return this.#state.info!.name;
  }

  get state(): ConnectionState {
    return this.#state.connection;
  }

  /** The local participant, as the others see it. */
  get me(): Participant {
    return this.#state.me;
  }

  /** The other participants, by id. */
  get participants(): ReadonlyMap<string, RemoteParticipant> {
    return this.#state.participants;
  }

  /** The local publications, by id. */
  get publications(): ReadonlyMap<string, LocalPublication> {
    return this.#state.localPublications;
  }

  /** The SFU node that carries the media; undefined while there is none. */
  get nodeId(): string | undefined {
    return this.#media.sfu.links.current?.nodeId;
  }

  /** `peer` while media goes directly to the other participant, `sfu` while it goes through an SFU node. */
  get mediaMode(): MediaMode {
    return this.#state.mediaMode;
  }

  /** Why media has no network path (`ICE_FAILED`). Undefined while it has one, and while the first attempt is running. */
  get mediaError(): FlotillaError | undefined {
    return this.#state.mediaError;
  }

  /** @internal The direct connection to the other participant, for tests. */
  get directCall(): PeerCall | undefined {
    return this.#media.directCall;
  }

  /** The last statistics; undefined in the first seconds. */
  get stats(): RoomStats | undefined {
    return this.#media.stats;
  }

  // Actions.

  /** Publishes a track. The track is never stopped by the SDK. */
  publish(track: MediaStreamTrack, options: PublishOptions = {}): Promise<LocalPublication> {
    return this.#media.localPublications.publish(track, options);
  }

  /** Sends data (anything that JSON can carry, 60 KB at most) to every participant, this one included. */
  async send(data: unknown): Promise<void> {
    await this.#state.request('message', { data });
  }

  /**
   * Leaves the room. The room is closed when this resolves. Without a connection the server is notified as soon as it is
   * restored, within the resume window.
   */
  async leave(): Promise<void> {
    const state = this.#state;
    if (!state.isOpen) return;
    const left = state.request('leave', {}).catch(() => undefined);
    await Promise.race([left, new Promise((resolve) => setTimeout(resolve, leaveWithinMs))]);
    state.close(undefined);
  }

  // Joining and resuming.

  async #join(startedAt: number): Promise<void> {
    const state = this.#state;
    const { rtpCapabilities } = state.session.welcome;
    if (!rtpCapabilities) throw new FlotillaError('NO_CAPACITY');
    // Metadata is aligned by the capture time of frames.
    const device = new Device({ forcedRtpExtensions: { [captureTimeExtension]: true } });
    await device.load({
      routerRtpCapabilities: rtpCapabilities as unknown as Parameters<Device['load']>[0]['routerRtpCapabilities'],
    });
    state.assertOpen();
    state.device = device;
    const { room, name } = state.options;
    const reply = await state.session.request('join', {
      room,
      ...(name !== undefined && { name: cleanText(name) }),
      rtpCapabilities: device.recvRtpCapabilities as unknown as RequestPayload<'open_media'>['rtpCapabilities'],
      subscribe: state.subscribesAutomatically,
    });
    state.assertOpen();
    state.setIceServers(reply);
    state.me = reply.snapshot.participants.find(({ id }) => id === reply.participantId)!;
    this.#media.start(reply.snapshot.mediaMode);
    this.#applySnapshot(reply.snapshot);
    state.setConnection('connected');
    await this.#media.use(reply.media, startedAt);
    state.assertOpen();
  }

  /** Joins again with a new session, and publishes again what was published with the previous one. */
  async #restart(): Promise<void> {
    const { localPublications } = this.#media;
    localPublications.sessionEnded();
    await this.#join(performance.now());
    await localPublications.republishInNewSession();
  }

  #applySnapshot(snapshot: ReplyPayload<'join'>['snapshot']): void {
    this.#state.applySnapshot(snapshot, (id) => this.#media.directCall?.delivers(id) ?? false);
  }

  #resumed(rooms: ReplyPayload<'resume'>['rooms']): void {
    const resumed = rooms.find(({ roomId }) => roomId === this.id);
    if (!resumed)
      return this.#state.close(
        new FlotillaError(
          'NOT_IN_ROOM',
          'You were removed from the room while your connection was lost. Connect again to join.',
        ),
      );
    if (resumed.snapshot) this.#applySnapshot(resumed.snapshot);
    this.#state.setConnection('connected');
    this.#media.resumed(resumed.snapshot);
  }
}
