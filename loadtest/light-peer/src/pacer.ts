/** What gives packets at a steady rate. */
export interface Source {
  readonly everyMs: number;
  next(): Buffer[];
}

const tickMs = 5;
/** A source that is this far behind, as after a pause of the process, leaves out what it missed, in milliseconds. */
const maxBehindMs = 200;

interface Paced {
  readonly source: Source;
  readonly send: (packet: Buffer) => void;
  dueAt: number;
}

/** Sends what sources give when it is due: one timer for all of a process. */
class Pacer {
  readonly #paced = new Set<Paced>();
  #timer: NodeJS.Timeout | undefined;

  /** Begins with the source's first packets at once. Returns what ends it. */
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
    for (; paced.dueAt <= now; paced.dueAt += paced.source.everyMs)
      for (const packet of paced.source.next()) paced.send(packet);
  }
}

export const pacer = new Pacer();
