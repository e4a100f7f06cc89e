import { setTimeout as pause } from 'node:timers/promises';
import type { EventLog, PlacedRoomEvent } from '@flotilla/bus';
import { FlotillaError, participantIdOf } from '@flotilla/contracts';
import { counter, type Logger, retry } from '@flotilla/runtime';
import type { SessionRecord, SessionStore } from '@flotilla/store';
import { tell } from '../delivery/frames.ts';
import { UserMessages } from '../messages/user-messages.ts';
import { RoomStreams } from '../rooms/room-streams.ts';
import type { Memberships } from '../rooms/memberships.ts';
import type { RoomStream } from '../rooms/room-stream.ts';
import { closings, type LifecycleEffect, type LifecycleEvent, transition } from './lifecycle-table.ts';
import { applyMigrationEvent } from '../rooms/migration-routing.ts';
import { drainSessions } from './drain.ts';
import { SessionScan } from './session-scan.ts';
import type { AddressOffsets, Session, SessionIdentity } from './session.ts';
import { BacklogMeter, type SessionTable } from './session-table.ts';

const gatewayBeatMs = 2000;
/** Every session is looked at this often: heartbeat, handshake, token, backlog. */
const roundMs = 1000;
/** A connection that asks for nothing is closed after this long. */
export const handshakeMs = 30_000;
/** A client is told this long before its token expires; at once when it connects with less. */
const expiryWarningMs = 60_000;
/** Clean-up that meets a broker that is away is tried again for this long; then the sweeper of the registry has it. */
const repairMs = 180_000;
/** Most who lose their connection are back by then: nothing has to be written of it. */
const backSoonMs = 1000;
/** A gateway that stops waits this long for it. */
const putAwayMs = 5000;

const ended = counter({
  name: 'signaling_connections_ended_total',
  help: 'Connections that are over, by the event that ended them.',
  labelNames: ['event'],
});
const resumes = counter({
  name: 'signaling_resumes_total',
  help: 'Attempts to come back to a session: ok, ok_moved (from another gateway), or the error code.',
  labelNames: ['outcome'],
});

export interface LifecycleSettings {
  readonly resumeWindowMs: number;
  readonly heartbeatMs: number;
  /** A gateway that stops sends its sessions off over this long. */
  readonly drainMs: number;
}

/**
 * From the first byte of a connection to its last, as lifecycle-table.ts has it. All that a session holds (its place in the
 * table, its feeds, its record) is given back here and nowhere else.
 */
export class Lifecycle {
  readonly feeds: RoomStreams;
  readonly mail: UserMessages;
  #beat: NodeJS.Timeout | undefined;
  readonly #backlog = new BacklogMeter();
  readonly #rounds: SessionScan;
  /** Sessions without a connection for a moment, and how that is written down. */
  readonly #away = new Map<string, { readonly timer: NodeJS.Timeout; readonly detach: () => void }>();
  /** Sessions that are being put away. */
  readonly #repairs = new Set<Promise<void>>();
  #stopping: Promise<void> | undefined;

  constructor(
    readonly gatewayId: string,
    private readonly table: SessionTable,
    private readonly memberships: Memberships,
    private readonly store: SessionStore,
    events: EventLog,
    private readonly settings: LifecycleSettings,
    private readonly log: Logger,
  ) {
    this.#rounds = new SessionScan(
      table,
      Math.min(roundMs, settings.heartbeatMs / 5),
      (session) => this.#look(session),
      () => this.#backlog.tell(),
    );
    this.feeds = new RoomStreams(events, (feed, placed) => this.#onRoomEvent(feed, placed));
    this.mail = new UserMessages(
      gatewayId,
      table,
      store,
      events,
      (sessionId) => this.#replaced(sessionId),
      (sessionId) => this.table.get(sessionId)?.cut(),
      log,
    );
  }

  async start(): Promise<void> {
    await this.store.gatewayAlive(this.gatewayId);
    await this.mail.start();
    this.#beat = setInterval(() => void this.#reportAlive(), gatewayBeatMs);
    this.#rounds.start();
  }

  /** A gateway that was taken for dead (it, or Redis, was out of reach) takes its sessions back. */
  async #reportAlive(): Promise<void> {
    try {
      if (await this.store.gatewayAlive(this.gatewayId)) return;
      this.log.warn({ sessions: this.table.size }, 'this gateway was taken for dead, taking its sessions back');
      await this.store.reattach(
        [...this.table].map(({ id }) => id),
        this.gatewayId,
      );
    } catch (error) {
      this.log.debug({ err: error }, 'gateway heartbeat not written');
    }
  }

  get stopping(): boolean {
    return this.#stopping !== undefined;
  }

  /** Writes a new session down, and says from where its messages count. */
  async open(identity: SessionIdentity, resumeHash: string): Promise<AddressOffsets> {
    // Taken before: a message between the two steps is then delivered rather than missed.
    const everybody = this.mail.lastBroadcast;
    return { everybody, user: await this.store.open({ ...identity, gatewayId: this.gatewayId }, resumeHash) };
  }

  /** Takes a session over, from this gateway or another. Throws SESSION_EXPIRED. */
  async resume(resumeHash: string, nextHash: string): Promise<SessionRecord> {
    try {
      const record = await this.store.resume(resumeHash, nextHash, this.gatewayId);
      if (!record) throw new FlotillaError('SESSION_EXPIRED');
      const here = record.gatewayId === this.gatewayId;
      if (here) this.#replaced(record.id);
      else await this.mail.tellReplaced(record.gatewayId, record.id);
      resumes.inc({ outcome: here ? 'ok' : 'ok_moved' });
      return record;
    } catch (error) {
      resumes.inc({ outcome: FlotillaError.from(error).code });
      throw error;
    }
  }

  /** Nobody speaks for the session here any more: it may come back within the window, or is swept. Written down when it is not back soon. */
  abandon(sessionId: string, resumeHash: string): void {
    this.#forgetAway(sessionId);
    const { resumeWindowMs } = this.settings;
    const waitMs = this.stopping ? 0 : Math.min(backSoonMs, resumeWindowMs);
    const detach = (): void => {
      this.#forgetAway(sessionId);
      this.#repair(sessionId, () => this.store.detach(sessionId, resumeHash, resumeWindowMs - waitMs));
    };
    if (waitMs === 0) detach();
    else this.#away.set(sessionId, { detach, timer: setTimeout(detach, waitMs) });
  }

  #forgetAway(sessionId: string): void {
    clearTimeout(this.#away.get(sessionId)?.timer);
    this.#away.delete(sessionId);
  }

  connected(session: Session): void {
    this.#forgetAway(session.id);
    this.table.add(session);
    session.onBacklogExceeded = () => this.handle(session, 'slow');
    // Those who come together are not asked together.
    session.nextPingAt = session.openedAt + Math.random() * this.settings.heartbeatMs;
  }

  /** What happened to a session's connection, and all that follows from it. */
  handle(session: Session, event: LifecycleEvent): void {
    const { to, effects } = transition(session.state, event);
    if (to === 'closed' && session.state !== 'closed') ended.inc({ event });
    if (to === 'zombie' && session.state !== 'zombie') this.log.debug({ sessionId: session.id }, 'no sign of life');
    session.state = to;
    for (const effect of effects) this.#carryOut(effect, session, event);
  }

  #carryOut(effect: LifecycleEffect, session: Session, event: LifecycleEvent): void {
    switch (effect) {
      case 'ping':
        return session.ping();
      case 'release':
        this.table.remove(session);
        for (const roomId of session.rooms.keys()) this.feeds.detach(roomId, session);
        return;
      case 'close': {
        const { code, reason } = closings[event]!;
        return session.close(code, reason);
      }
      case 'detach':
        return this.abandon(session.id, session.resumeHash);
      case 'end':
        return this.#repair(session.id, () => this.#end(session));
    }
  }

  #repair(sessionId: string, work: () => Promise<void>): void {
    const repair = retry(work, { forMs: repairMs })
      .catch((error: unknown) =>
        this.log.warn({ err: error, sessionId }, 'a session could not be put away; the sweeper will'),
      )
      .finally(() => this.#repairs.delete(repair));
    this.#repairs.add(repair);
  }

  /** Leaves the rooms the record knows: one that was resumed and said nothing is in rooms that this gateway has not seen. */
  async #end(session: Session): Promise<void> {
    const record = await this.store.get(session.id);
    for (const roomId of record?.rooms ?? []) await this.memberships.leave(session, roomId, 'left');
    await this.store.close(session.id);
  }

  /** Another connection has the session now: this one goes, and nothing is given up. */
  #replaced(sessionId: string): void {
    const session = this.table.get(sessionId);
    if (session) this.handle(session, 'replaced');
  }

  /** Whether it is time for a sign of life, or too late for something. */
  #look(session: Session): void {
    this.#backlog.add(session);
    const now = performance.now();
    if (now >= session.nextPingAt) {
      session.nextPingAt = now + this.settings.heartbeatMs;
      const missed = session.missedPongs++;
      this.handle(session, missed < 2 ? 'beat' : missed === 2 ? 'silent' : 'lost');
    }
    if (session.state === 'handshaking' && session.openedAt < now - handshakeMs) this.handle(session, 'handshake_late');
    const { expiresAt } = session.identity;
    const left = expiresAt - Date.now();
    if (left <= 0) this.handle(session, 'token_expired');
    else if (left <= expiryWarningMs && !session.warnedOfExpiry) {
      session.warnedOfExpiry = true;
      tell(session, 'token_expiring', { expiresAt });
    }
  }

  /** What the room's stream means for the sessions here: who was taken out of the room is out. */
  #onRoomEvent(feed: RoomStream, { event }: PlacedRoomEvent): void {
    const { roomId } = feed;
    if (event.type === 'migrate' || event.type === 'migration_rolled_back' || event.type === 'participant_moved') {
      for (const session of feed.listeners) applyMigrationEvent(session, roomId, event);
    } else if (event.type === 'room_deleted') {
      for (const session of [...feed.listeners]) this.#outOf(session, roomId);
    } else if (event.type === 'participant_left' && event.payload.reason !== 'left') {
      const { participantId } = event.payload;
      for (const session of [...feed.listeners])
        if (participantIdOf(session.id) === participantId) this.#outOf(session, roomId);
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

  /** Sends everybody to another gateway, a few at a time. Their sessions wait for them. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    await drainSessions(this.table, this.settings.drainMs, (session) =>
      tell(session, 'move', { reason: 'this gateway is about to stop' }),
    );
    clearInterval(this.#beat);
    this.#rounds.stop();
    this.mail.stop();
    for (const session of this.table) this.handle(session, 'stopping');
    for (const { detach } of this.#away.values()) detach();
    await Promise.race([Promise.all(this.#repairs), pause(putAwayMs)]);
    this.feeds.close();
  }
}
