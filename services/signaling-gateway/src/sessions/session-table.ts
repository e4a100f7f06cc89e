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
const backlogEveryMs = 5000;

/** Keeps the metric of what waits to be sent. */
export function watchBacklog(table: SessionTable): { stop(): void } {
  const timer = setInterval(() => {
    let [all, slowest] = [0, 0];
    for (const session of table) {
      all += session.backlog;
      slowest = Math.max(slowest, session.backlog);
    }
    backlog.set({ of: 'all' }, all);
    backlog.set({ of: 'slowest' }, slowest);
  }, backlogEveryMs);
  return { stop: () => clearInterval(timer) };
}
