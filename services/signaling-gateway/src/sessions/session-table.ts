import { gauge } from '@flotilla/runtime';
import type { Session } from './session.ts';

const active = gauge({ name: 'signaling_active_connections', help: 'Open WebSocket sessions of this gateway.' });

/** The sessions connected to this gateway. */
export class SessionTable {
  readonly #sessions = new Map<string, Session>();

  get(sessionId: string): Session | undefined {
    return this.#sessions.get(sessionId);
  }

  add(session: Session): void {
    this.#sessions.set(session.id, session);
    active.set(this.#sessions.size);
  }

  /** Takes out this very session; one that took its place stays. */
  remove(session: Session): void {
    if (this.#sessions.get(session.id) !== session) return;
    this.#sessions.delete(session.id);
    active.set(this.#sessions.size);
  }

  has(session: Session): boolean {
    return this.#sessions.get(session.id) === session;
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#sessions.values();
  }

  get size(): number {
    return this.#sessions.size;
  }
}
