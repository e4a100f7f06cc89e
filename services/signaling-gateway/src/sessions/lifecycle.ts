import type { EventLog, Following, PlacedRoomEvent } from '@flotilla/bus';
import { FlotillaError, participantIdOf } from '@flotilla/contracts';
import { type Logger, retry } from '@flotilla/runtime';
import type { SessionRecord, SessionStore } from '@flotilla/store';
import { z } from 'zod';
import { Feeds } from '../rooms/feeds.ts';
import type { Memberships } from '../rooms/memberships.ts';
import type { RoomFeed } from '../rooms/room-feed.ts';
import type { Session, SessionIdentity } from './session.ts';
import type { SessionTable } from './session-table.ts';

const gatewayBeatMs = 2000;
/** Clean-up that meets a broker that is away is tried again for this long; then the sweeper of the registry has it. */
const repairMs = 120_000;

/** What gateways tell each other. */
const GatewayEvent = z.object({ type: z.literal('session_replaced'), sessionId: z.string() });

export const gatewayStream = (gatewayId: string): string => `gateway:${gatewayId}`;

/**
 * From the first byte of a session to its last: connected, silent, lost and maybe back, ended. All that a session holds
 * (its place in the table, its feeds, its record) is given back here and nowhere else.
 */
export class Lifecycle {
  readonly feeds: Feeds;
  #beats: NodeJS.Timeout[] = [];
  #following: Following | undefined;
  #stopping = false;

  constructor(
    private readonly gatewayId: string,
    private readonly table: SessionTable,
    private readonly memberships: Memberships,
    private readonly store: SessionStore,
    private readonly events: EventLog,
    private readonly settings: { resumeWindowMs: number; heartbeatMs: number },
    private readonly log: Logger,
  ) {
    this.feeds = new Feeds(events, (feed, placed) => this.#onRoomEvent(feed, placed));
  }

  async start(): Promise<void> {
    await this.store.gatewayAlive(this.gatewayId);
    const alive = setInterval(() => {
      this.store
        .gatewayAlive(this.gatewayId)
        .catch((error: unknown) => this.log.debug({ err: error }, 'gateway heartbeat not written'));
    }, gatewayBeatMs);
    this.#beats = [alive, setInterval(() => this.#beat(), this.settings.heartbeatMs)];
    this.#following = this.events.follow(
      gatewayStream(this.gatewayId),
      await this.events.lastOffset(gatewayStream(this.gatewayId)),
      (entries) => {
        for (const { data } of entries) {
          const event = GatewayEvent.safeParse(JSON.parse(data));
          if (event.success) this.#replaced(event.data.sessionId);
        }
      },
    );
  }

  /** Writes a new session down. */
  async open(identity: SessionIdentity, resumeHash: string): Promise<void> {
    await this.store.open({ ...identity, gatewayId: this.gatewayId }, resumeHash);
  }

  /** Takes a session over, from this gateway or another. Throws SESSION_EXPIRED. */
  async resume(resumeHash: string, nextHash: string): Promise<SessionRecord> {
    const record = await this.store.resume(resumeHash, nextHash, this.gatewayId);
    if (!record) throw new FlotillaError('SESSION_EXPIRED');
    if (record.gatewayId === this.gatewayId) this.#replaced(record.id);
    else
      await this.events.append(
        gatewayStream(record.gatewayId),
        JSON.stringify({ type: 'session_replaced', sessionId: record.id } satisfies z.input<typeof GatewayEvent>),
      );
    return record;
  }

  /** Another connection has the session now: this one goes, and nothing is given up. */
  #replaced(sessionId: string): void {
    const session = this.table.get(sessionId);
    if (!session) return;
    this.#letGo(session);
    session.close('SESSION_REPLACED', 'the session was resumed by another connection');
  }

  connected(session: Session): void {
    this.table.add(session);
  }

  /** The connection is gone. `goodbye`: the client meant it, so the session ends; else it may come back within the window. */
  disconnected(session: Session, goodbye: boolean): void {
    if (!this.table.has(session)) return;
    this.#letGo(session);
    const work = goodbye
      ? () => this.#end(session)
      : () => this.store.detach(session.id, this.gatewayId, this.settings.resumeWindowMs);
    retry(work, { forMs: repairMs }).catch((error: unknown) =>
      this.log.warn({ err: error, sessionId: session.id }, 'a session could not be put away; the sweeper will'),
    );
  }

  async #end(session: Session): Promise<void> {
    for (const roomId of session.rooms.keys()) await this.memberships.leave(session, roomId, 'left');
    await this.store.close(session.id);
  }

  #letGo(session: Session): void {
    this.table.remove(session);
    for (const roomId of session.rooms.keys()) this.feeds.detach(roomId, session);
  }

  /** Asks everybody for a sign of life; who gave none twice is taken for lost. */
  #beat(): void {
    for (const session of this.table) {
      if (session.silentBeats >= 2) {
        this.log.info({ sessionId: session.id }, 'no sign of life, cutting the connection');
        session.close('HEARTBEAT_MISSED', 'two heartbeats missed');
        session.terminate();
      } else {
        session.silentBeats++;
        session.ping();
      }
    }
  }

  /** What the room's stream means for the sessions here: who was taken out of the room is out. */
  #onRoomEvent(feed: RoomFeed, { event }: PlacedRoomEvent): void {
    const { roomId } = feed;
    if (event.type === 'room_deleted') {
      for (const session of [...feed.listeners]) this.#outOf(session, roomId);
    } else if (event.type === 'participant_left' && event.payload.reason !== 'left') {
      for (const session of [...feed.listeners]) {
        if (participantIdOf(session.id) === event.payload.participantId) this.#outOf(session, roomId);
      }
    }
  }

  #outOf(session: Session, roomId: string): void {
    session.rooms.delete(roomId);
    this.feeds.detach(roomId, session);
    this.store
      .setRoom(session.id, roomId, false)
      .catch((error: unknown) =>
        this.log.debug({ err: error, sessionId: session.id }, 'room not taken off the session'),
      );
  }

  /** Sends everybody to another gateway. Their sessions wait for them. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const beat of this.#beats) clearInterval(beat);
    this.#following?.stop();
    await Promise.allSettled(
      [...this.table].map(async (session) => {
        this.#letGo(session);
        session.close('SERVICE_RESTART', 'this gateway restarts, resume elsewhere');
        await this.store.detach(session.id, this.gatewayId, this.settings.resumeWindowMs);
      }),
    );
    this.feeds.close();
  }
}
