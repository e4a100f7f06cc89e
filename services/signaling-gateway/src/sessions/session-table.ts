import { gauge } from '@flotilla/runtime';
import type { Session } from './session.ts';

const active = gauge({ name: 'signaling_active_connections', help: 'Open WebSocket sessions of this gateway.' });

const none: ReadonlySet<Session> = new Set();

/** The sessions connected to this gateway, by session id and by user id. */
export class SessionTable {
  readonly #sessions = new Map<string, Session>();
  readonly #byUser = new Map<string, Set<Session>>();

  get(sessionId: string): Session | undefined {
    return this.#sessions.get(sessionId);
  }

  ofUser(userId: string): ReadonlySet<Session> {
    return this.#byUser.get(userId) ?? none;
  }

  add(session: Session): void {
    this.#sessions.set(session.id, session);
    const { userId } = session.identity;
    const sessions = this.#byUser.get(userId);
    if (sessions) sessions.add(session);
    else this.#byUser.set(userId, new Set([session]));
    active.set(this.#sessions.size);
  }

  /** Removes this object. Another connection of the same session stays. */
  remove(session: Session): void {
    const { userId } = session.identity;
    const sessions = this.#byUser.get(userId);
    if (sessions?.delete(session) && sessions.size === 0) this.#byUser.delete(userId);
    if (this.#sessions.get(session.id) !== session) return;
    this.#sessions.delete(session.id);
    active.set(this.#sessions.size);
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#sessions.values();
  }

  get size(): number {
    return this.#sessions.size;
  }
}

const backlog = gauge({
  name: 'signaling_backlog_bytes',
  help: 'Unsent bytes: of all sessions (of=all), and of the one with most (of=slowest).',
  labelNames: ['of'],
});

/** Adds up unsent bytes session by session, and publishes the sums of complete scans. */
export class BacklogMeter {
  #all = 0;
  #slowest = 0;

  add({ backlog: bytes }: Session): void {
    this.#all += bytes;
    this.#slowest = Math.max(this.#slowest, bytes);
  }

  publish(): void {
    backlog.set({ of: 'all' }, this.#all);
    backlog.set({ of: 'slowest' }, this.#slowest);
    this.#all = this.#slowest = 0;
  }
}
