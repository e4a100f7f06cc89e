import { percentile } from '@flotilla/loadtest-kit';
import type { Contender } from './contenders.ts';
import { Flow } from './flow.ts';
import { Link } from './link.ts';
import { Timeline } from './timeline.ts';
import type { Trace } from './traces.ts';
import { Transfer } from './transfer.ts';

/** Time between two points of a curve, ms. */
export const sampleMs = 200;
/** The bit rate at the end is the mean of this time, ms. */
const endMs = 5000;
const reachedShare = 0.9;

export interface RunResult {
  readonly trace: string;
  readonly contender: Contender['name'];
  /** Media that arrived as a share of what could have: of the capacity, the fair share and the source. */
  readonly use: number;
  readonly queueP50Ms: number;
  readonly queueP95Ms: number;
  readonly queueP99Ms: number;
  /** Lost packets as a share of those sent. */
  readonly loss: number;
  /** Mean target of the last 5 s, bit/s. */
  readonly endBitrate: number;
  /** Time from the increase of the capacity until the target is 90 % of the available bit rate. Null for never. */
  readonly reachedMs: number | null;
  /** Target at each `sampleMs`, bit/s. */
  readonly targets: readonly number[];
  /** Longest time of a packet in the queue in each `sampleMs`. */
  readonly queues: readonly number[];
}

/** The bit rate that a fair flow could use. */
export const available = ({ capacity, share = () => 1 }: Trace, atMs: number): number => capacity(atMs) * share(atMs);

/** Runs an estimator over a trace in virtual time. The same arguments give the same result. */
export function simulate(trace: Trace, contender: Contender, seed: number): RunResult {
  const timeline = new Timeline();
  const link = new Link(timeline, trace, seed);
  const now = (): number => timeline.nowMs;
  const startFlow = (flowSeed: number): Flow => {
    const flow = new Flow(timeline, link, trace, contender.create(trace, now), contender.feedback, flowSeed);
    flow.start();
    return flow;
  };
  const flow = startFlow(seed + 1);
  const { competitor, seconds } = trace;
  if (competitor?.kind === 'same') timeline.at(competitor.fromMs, () => startFlow(seed + 2));
  if (competitor?.kind === 'tcp')
    timeline.at(competitor.fromMs, () => new Transfer(timeline, link, trace.delayMs, competitor.untilMs).start());
  const targets: number[] = [];
  const queues: number[] = [];
  let usableBits = 0;
  for (let atMs = sampleMs, seen = 0; atMs <= seconds * 1000; atMs += sampleMs) {
    timeline.runUntil(atMs);
    targets.push(Math.round(flow.target));
    queues.push(Math.round(Math.max(0, ...flow.samples.queuedMs.slice(seen))));
    seen = flow.samples.queuedMs.length;
    usableBits += (Math.min(available(trace, atMs), trace.source(atMs)) * sampleMs) / 1000;
  }
  const { mediaBytes, sentPackets, lostPackets, queuedMs } = flow.samples;
  const sorted = queuedMs.toSorted((a, b) => a - b);
  const end = targets.slice(-endMs / sampleMs);
  return {
    trace: trace.name,
    contender: contender.name,
    use: (mediaBytes * 8) / usableBits,
    queueP50Ms: percentile(sorted, 0.5) ?? 0,
    queueP95Ms: percentile(sorted, 0.95) ?? 0,
    queueP99Ms: percentile(sorted, 0.99) ?? 0,
    loss: lostPackets / Math.max(1, sentPackets),
    endBitrate: end.reduce((sum, each) => sum + each, 0) / end.length,
    reachedMs: reachedAfter(trace, targets),
    targets,
    queues,
  };
}

function reachedAfter(trace: Trace, targets: readonly number[]): number | null {
  const { increaseMs = 0 } = trace;
  for (const [index, target] of targets.entries()) {
    const atMs = (index + 1) * sampleMs;
    if (atMs > increaseMs && target >= reachedShare * available(trace, atMs)) return atMs - increaseMs;
  }
  return null;
}
