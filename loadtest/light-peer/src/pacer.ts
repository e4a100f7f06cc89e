/** A source of packets at a constant rate. */
export interface Source {
  readonly intervalMs: number;
  /** The packets of the next interval. */
  next(): Buffer[];
}

const tickMs = 5;
/** A source that is further behind, as after a pause of the process, skips the missed intervals. */
const maxBehindMs = 200;

interface Paced {
  readonly source: Source;
  readonly send: (packet: Buffer) => void;
  dueAt: number;
}

/** Sends the packets of all sources when they are due, with one timer per process. */
class Pacer {
  readonly #paced = new Set<Paced>();
  #timer: NodeJS.Timeout | undefined;

  /** Starts a source, whose first packets are sent at once. Returns a function that stops it. */
  start(source: Source, send: (packet: Buffer) => void): () => void {
    const paced: Paced = { source, send, dueAt: performance.now() };
    this.#paced.add(paced);
    this.#timer ??= setInterval(() => this.#tick(), tickMs);
    this.#run(paced, paced.dueAt);
    return () => {
      this.#paced.delete(paced);
      if (this.#paced.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  #tick(): void {
    const now = performance.now();
    for (const paced of this.#paced) this.#run(paced, now);
  }

  #run(paced: Paced, now: number): void {
    if (now - paced.dueAt > maxBehindMs) paced.dueAt = now;
    for (; paced.dueAt <= now; paced.dueAt += paced.source.intervalMs)
      for (const packet of paced.source.next()) paced.send(packet);
  }
}

export const pacer = new Pacer();
