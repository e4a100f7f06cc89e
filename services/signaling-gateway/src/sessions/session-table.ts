import { gauge } from '@flotilla/runtime';
import type { Session } from './session.ts';

const active = gauge({ name: 'signaling_active_connections', help: 'Open WebSocket sessions of this gateway.' });

const nobody: ReadonlySet<Session> = new Set();

/** The sessions connected to this gateway, by their ids and by their users. */
export class SessionTable {
  readonly #sessions = new Map<string, Session>();
  readonly #byUser = new Map<string, Set<Session>>();

  get(sessionId: string): Session | undefined {
    return this.#sessions.get(sessionId);
  }

  ofUser(userId: string): ReadonlySet<Session> {
    return this.#byUser.get(userId) ?? nobody;
  }

  add(session: Session): void {
    this.#sessions.set(session.id, session);
    const { userId } = session.identity;
    const others = this.#byUser.get(userId);
    if (others) others.add(session);
    else this.#byUser.set(userId, new Set([session]));
    active.set(this.#sessions.size);
  }

  /** Takes out this very session; one that took its place stays. */
  remove(session: Session): void {
    const { userId } = session.identity;
    const others = this.#byUser.get(userId);
    if (others?.delete(session) && others.size === 0) this.#byUser.delete(userId);
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
  help: 'What waits to be sent: to all sessions (of=all), and to the slowest (of=slowest).',
  labelNames: ['of'],
});

/** Adds up what waits to be sent, session by session; the metric is told of whole rounds. */
export class BacklogMeter {
  #all = 0;
  #slowest = 0;

  add({ backlog: bytes }: Session): void {
    this.#all += bytes;
    this.#slowest = Math.max(this.#slowest, bytes);
  }

  tell(): void {
    backlog.set({ of: 'all' }, this.#all);
    backlog.set({ of: 'slowest' }, this.#slowest);
    this.#all = this.#slowest = 0;
  }
}
