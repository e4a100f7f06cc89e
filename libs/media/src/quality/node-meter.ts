import type { PeerQuality } from '@flotilla/contracts';
import type { PooledWorker } from '../worker-pool.ts';
import type { RoomMeter, RoomSample } from './room-meter.ts';
import type { Traffic } from './watched.ts';

/** A worker that takes longer than this is not waited for: the heartbeat must not stop with it. In milliseconds. */
const waitMs = 300;
/** What was measured longer ago says nothing any more. In milliseconds. */
const freshMs = 2000;

/** A room to be measured. */
export interface Measured {
  readonly worker: PooledWorker;
  readonly meter: RoomMeter;
}

/** Measures all rooms of a node: those of one worker one after the other, the workers side by side. */
export class NodeMeter {
  readonly #latest = new WeakMap<RoomMeter, { at: number; sample: RoomSample }>();
  /** Workers that have not answered yet; they are not asked again meanwhile. */
  readonly #busy = new Set<PooledWorker>();

  async sample(rooms: readonly Measured[]): Promise<Traffic & { peers: PeerQuality[] }> {
    const byWorker = Map.groupBy(rooms, ({ worker }) => worker);
    const asked = [...byWorker].filter(([worker]) => !this.#busy.has(worker));
    await within(
      waitMs,
      Promise.all(
        asked.map(([worker, of]) =>
          this.#ask(
            worker,
            of.map(({ meter }) => meter),
          ),
        ),
      ),
    );
    const oldest = performance.now() - freshMs;
    const samples = rooms.flatMap(({ meter }) => {
      const latest = this.#latest.get(meter);
      return latest && latest.at >= oldest ? [latest.sample] : [];
    });
    return {
      peers: samples.flatMap(({ peers }) => peers),
      packetsPerSecond: Math.round(samples.reduce((sum, each) => sum + each.packetsPerSecond, 0)),
      bitsPerSecond: Math.round(samples.reduce((sum, each) => sum + each.bitsPerSecond, 0)),
    };
  }

  async #ask(worker: PooledWorker, meters: readonly RoomMeter[]): Promise<void> {
    this.#busy.add(worker);
    try {
      for (const meter of meters) this.#latest.set(meter, { sample: await meter.sample(), at: performance.now() });
    } finally {
      this.#busy.delete(worker);
    }
  }
}

/** Resolves when the work is done or the time is over. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const timeout = Promise.withResolvers<void>();
  const timer = setTimeout(timeout.resolve, ms);
  try {
    await Promise.race([work, timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}
