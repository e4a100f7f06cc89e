import type { PeerQuality } from '@flotilla/contracts';
import { within } from '../within.ts';
import type { PooledWorker } from '../worker-pool.ts';
import type { RoomMeter, RoomSample } from './room-meter.ts';
import type { Traffic } from './transport-group.ts';

/** Time for workers to answer, in milliseconds: a worker that hangs must not stop the heartbeat. */
const answerWithinMs = 300;
/** Older samples are not reported, in milliseconds. */
const maxSampleAgeMs = 2000;

/** A router of a room to be measured. */
export interface MeteredRouter {
  readonly worker: PooledWorker;
  readonly meter: RoomMeter;
}

/** Measures all routers of a node: those of one worker in turn, the workers in parallel. */
export class NodeMeter {
  readonly #latest = new WeakMap<RoomMeter, { at: number; sample: RoomSample }>();
  /** Workers with a request in flight: they get no other. */
  readonly #pending = new Set<PooledWorker>();

  async sample(routers: readonly MeteredRouter[]): Promise<Traffic & { peers: PeerQuality[] }> {
    const byWorker = Map.groupBy(routers, ({ worker }) => worker);
    const idle = [...byWorker].filter(([worker]) => !this.#pending.has(worker));
    await within(answerWithinMs, Promise.all(idle.map(([worker, ofWorker]) => this.#measure(worker, ofWorker))));
    const oldest = performance.now() - maxSampleAgeMs;
    const samples = routers.flatMap(({ meter, worker }) => {
      const latest = this.#latest.get(meter);
      return latest && latest.at >= oldest ? [{ ...latest.sample, worker: worker.worker.pid }] : [];
    });
    return {
      peers: samples.flatMap(({ peers, worker }) => peers.map((peer) => ({ ...peer, worker }))),
      packetsPerSecond: Math.round(samples.reduce((sum, each) => sum + each.packetsPerSecond, 0)),
      bitsPerSecond: Math.round(samples.reduce((sum, each) => sum + each.bitsPerSecond, 0)),
    };
  }

  async #measure(worker: PooledWorker, routers: readonly MeteredRouter[]): Promise<void> {
    this.#pending.add(worker);
    try {
      for (const { meter } of routers) this.#latest.set(meter, { sample: await meter.sample(), at: performance.now() });
    } finally {
      this.#pending.delete(worker);
    }
  }
}
