import { counter, type Logger } from '@flotilla/runtime';
import { closings, type LifecycleEffect, type LifecycleEvent, transition } from './lifecycle-table.ts';
import type { Session } from './session.ts';
import type { SessionCleanup } from './session-cleanup.ts';
import { SessionScan } from './session-scan.ts';
import { BacklogMeter, type SessionTable } from './session-table.ts';

/** Upper bound of the interval at which the timers of a session are checked: ping, first request, token, backlog. */
const scanMs = 1000;
/** A connection without a request is closed after this long, ms. */
const firstRequestMs = 30_000;
/** `token_expiring` is sent this long before the token expires, ms; at once when the token expires sooner. */
const expiryWarningMs = 60_000;

/** A session that was ended is remembered for this long, ms: longer than a handshake may take. */
const revokedMs = 15_000;
/** Maximum number of such sessions. */
const maxRevoked = 10_000;

const ended = counter({
  name: 'signaling_connections_ended_total',
  help: 'Connections that ended, by the event that ended them.',
  labelNames: ['event'],
});

/**
 * Applies lifecycle-table.ts to the connections of this gateway. What a connection holds (its place in the table, its room
 * streams, its record) is released here only.
 */
export class Lifecycle {
  readonly #backlog = new BacklogMeter();
  readonly #scan: SessionScan;
  /** Sessions that ended and are not connected here, or not yet. */
  readonly #revoked = new Set<string>();
  #stopped = false;

  constructor(
    private readonly table: SessionTable,
    private readonly cleanup: SessionCleanup,
    /** Removes a session from the streams of its rooms. */
    private readonly detachStreams: (session: Session) => void,
    private readonly heartbeatMs: number,
    private readonly log: Logger,
  ) {
    this.#scan = new SessionScan(
      table,
      Math.min(scanMs, heartbeatMs / 5),
      (session) => this.#checkTimers(session),
      () => this.#backlog.publish(),
      ({ id: sessionId }, error) => log.error({ err: error, sessionId }, 'timers of a session could not be checked'),
    );
  }

  start(): void {
    this.#scan.start();
  }

  /** After this, no connection may be opened. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Closes all connections. */
  stop(): void {
    this.#stopped = true;
    this.#scan.stop();
    for (const session of this.table) this.handle(session, 'stopping');
  }

  /** A session was admitted. An earlier connection of it is closed. */
  connected(session: Session): void {
    this.cleanup.cancelDetach(session.id);
    const previous = this.table.get(session.id);
    if (previous) this.#replace(previous);
    this.table.add(session);
    session.onBacklogExceeded = () => this.handle(session, 'backlog_exceeded');
    // Spreads the pings of sessions that connect at the same time.
    session.nextPingAt = session.openedAt + Math.random() * this.heartbeatMs;
    if (this.#revoked.has(session.id)) this.handle(session, 'revoked');
  }

  /** Another connection presented the resume token with this hash: the one that was given the token is closed. */
  replaced(sessionId: string, resumeHash: string): void {
    const session = this.table.get(sessionId);
    if (session?.resumeHash === resumeHash) this.#replace(session);
  }

  /** A client that tries several connections at once may have chosen this one: it may resume again. */
  #replace(session: Session): void {
    this.handle(session, session.resumption && !session.resumeConfirmed ? 'overtaken' : 'replaced');
  }

  /** An operator ended the session. Its connection is closed, also one whose handshake is not over. */
  revoked(sessionId: string): void {
    const session = this.table.get(sessionId);
    if (session) return this.handle(session, 'revoked');
    if (this.#revoked.size >= maxRevoked) return;
    this.#revoked.add(sessionId);
    setTimeout(() => this.#revoked.delete(sessionId), revokedMs).unref();
  }

  /** Moves a connection to its next state, and carries the effects out. */
  handle(session: Session, event: LifecycleEvent): void {
    const { to, effects } = transition(session.state, event);
    if (to === 'closed' && session.state !== 'closed') ended.inc({ event });
    if (to === 'zombie' && session.state !== 'zombie')
      this.log.debug({ sessionId: session.id }, 'two pings unanswered');
    session.state = to;
    for (const effect of effects) this.#carryOut(effect, session, event);
  }

  #carryOut(effect: LifecycleEffect, session: Session, event: LifecycleEvent): void {
    switch (effect) {
      case 'ping':
        return session.ping();
      case 'release':
        this.table.remove(session);
        return this.detachStreams(session);
      case 'close': {
        const { code, reason } = closings[event]!;
        return session.close(code, reason);
      }
      case 'detach':
        return this.cleanup.scheduleDetach(session.id, session.resumeHash);
      case 'end':
        return this.cleanup.end(session);
    }
  }

  #checkTimers(session: Session): void {
    this.#backlog.add(session);
    const now = performance.now();
    if (now >= session.nextPingAt) {
      session.nextPingAt = now + this.heartbeatMs;
      const missed = session.missedPongs++;
      this.handle(session, missed < 2 ? 'ping_due' : missed === 2 ? 'pong_missed' : 'heartbeat_timeout');
    }
    if (session.state === 'handshaking' && session.openedAt < now - firstRequestMs)
      this.handle(session, 'handshake_timeout');
    const { expiresAt } = session.identity;
    const remainingMs = expiresAt - Date.now();
    if (remainingMs <= 0) this.handle(session, 'token_expired');
    else if (remainingMs <= expiryWarningMs && !session.warnedOfExpiry) {
      session.warnedOfExpiry = true;
      session.notify('token_expiring', { expiresAt });
    }
  }
}
