import { burstLoss, type LossModel, noLoss, randomLoss } from './loss.ts';
import { Random } from '@flotilla/loadtest-kit';

/** Bit rate at a time in ms, bit/s. */
export type RateAt = (atMs: number) => number;

/** What shares the link with the flow that is measured. */
export type Competitor =
  /** Another flow with the same estimator. */
  | { readonly kind: 'same'; readonly fromMs: number }
  /** A transfer like Reno's, as long as the trace. */
  | { readonly kind: 'tcp'; readonly fromMs: number; readonly untilMs: number };

/** A link over time. */
export interface Trace {
  readonly name: string;
  readonly about: string;
  readonly seconds: number;
  readonly capacity: RateAt;
  /** One-way delay without queue. */
  readonly delayMs: number;
  /** Depth of the queue, as time at the mean capacity; more is dropped at the tail. */
  readonly queueMs: number;
  /** Maximum additional delay of a packet. Packets keep their order. */
  readonly jitterMs: number;
  readonly loss: LossModel;
  /** What the source can send. */
  readonly source: RateAt;
  readonly competitor?: Competitor;
  /** An increase of the capacity: the time to 90 % of it is measured. Default 0, the start. */
  readonly increaseMs?: number;
  /** Share of the capacity that a fair flow gets, with its competitor. Default 1. */
  readonly share?: RateAt;
}

const mbit = 1_000_000;
const constant =
  (rate: number): RateAt =>
  () =>
    rate;

/** Steps of [from second, Mbit/s]. */
const steps =
  (...changes: readonly (readonly [number, number])[]): RateAt =>
  (atMs) =>
    mbit * (changes.findLast(([from]) => from * 1000 <= atMs) ?? changes[0]!)[1];

/** Straight lines between [second, Mbit/s]. */
const ramps =
  (...points: readonly (readonly [number, number])[]): RateAt =>
  (atMs) => {
    const at = atMs / 1000;
    const next = points.findIndex(([second]) => second > at);
    if (next <= 0) return mbit * points.at(next === 0 ? 0 : -1)![1];
    const [[from, low], [to, high]] = [points[next - 1]!, points[next]!];
    return mbit * (low + ((high - low) * (at - from)) / (to - from));
  };

const sine =
  (low: number, high: number, seconds: number): RateAt =>
  (atMs) =>
    mbit * ((low + high) / 2 + ((high - low) / 2) * Math.sin((2 * Math.PI * atMs) / 1000 / seconds));

/** Levels of a cell's capacity in Mbit/s, between which it moves like a Markov chain: mostly to a neighbour, at times to any. */
const cellLevels = [0.3, 0.8, 1.5, 2.5, 4, 6];

function cell(seed: number, seconds: number): RateAt {
  const random = new Random(seed);
  const slotMs = 100;
  let level = 3;
  let leftMs = 0;
  const slots = Array.from({ length: Math.ceil((seconds * 1000) / slotMs) + 1 }, () => {
    if (leftMs <= 0) {
      leftMs = random.exponential(1500);
      if (random.next() < 0.1) level = Math.floor(random.next() * cellLevels.length);
      else level += random.next() < 0.5 ? -1 : 1;
      level = Math.max(0, Math.min(level, cellLevels.length - 1));
    }
    leftMs -= slotMs;
    return mbit * cellLevels[level]! * random.between(0.85, 1.15);
  });
  return (atMs) => slots[Math.min(Math.floor(atMs / slotMs), slots.length - 1)]!;
}

const usual = {
  seconds: 60,
  delayMs: 25,
  queueMs: 300,
  jitterMs: 0,
  loss: noLoss,
  source: constant(100 * mbit),
} as const;

/** Every trace, in the order of the report. */
export const traces: readonly Trace[] = [
  { ...usual, name: 'steady', about: '1 Mbit/s', capacity: constant(mbit) },
  { ...usual, name: 'wide', about: '8 Mbit/s', capacity: constant(8 * mbit) },
  {
    ...usual,
    name: 'steps',
    about: '1, 0.5, then 1.5 Mbit/s, 20 s each',
    capacity: steps([0, 1], [20, 0.5], [40, 1.5]),
    increaseMs: 40_000,
  },
  {
    ...usual,
    name: 'big step',
    about: '4, 0.5, then 4 Mbit/s, 20 s each',
    capacity: steps([0, 4], [20, 0.5], [40, 4]),
    increaseMs: 40_000,
  },
  {
    ...usual,
    name: 'ramps',
    about: '0.5 to 3 and back to 0.5 Mbit/s in 60 s',
    capacity: ramps([0, 0.5], [30, 3], [60, 0.5]),
  },
  { ...usual, name: 'sine', about: '0.4 to 1.6 Mbit/s, period 20 s', capacity: sine(0.4, 1.6, 20) },
  {
    ...usual,
    name: 'cell',
    about: 'Markov chain of 0.3 to 6 Mbit/s, 1.5 s a level, 20 ms jitter',
    capacity: cell(7, 60),
    jitterMs: 20,
    queueMs: 600,
  },
  { ...usual, name: 'jitter', about: '1 Mbit/s, 30 ms jitter', capacity: constant(mbit), jitterMs: 30 },
  { ...usual, name: 'random loss', about: '2 Mbit/s, 3 % loss', capacity: constant(2 * mbit), loss: randomLoss(0.03) },
  {
    ...usual,
    name: 'bursts',
    about: '2 Mbit/s, Gilbert-Elliott bursts, 2 % loss on average',
    capacity: constant(2 * mbit),
    loss: burstLoss(0.005, 0.12, 0.5),
  },
  { ...usual, name: 'shallow queue', about: '2 Mbit/s, queue 30 ms', capacity: constant(2 * mbit), queueMs: 30 },
  { ...usual, name: 'deep queue', about: '1 Mbit/s, queue 2 s', capacity: constant(mbit), queueMs: 2000 },
  {
    ...usual,
    name: 'quiet source',
    about: '4 Mbit/s; the source sends 0.3 Mbit/s until 30 s, then all',
    capacity: constant(4 * mbit),
    source: steps([0, 0.3], [30, 100]),
    increaseMs: 30_000,
  },
  {
    ...usual,
    name: 'two flows',
    about: '2 Mbit/s, a second flow of the same kind from 20 s on',
    capacity: constant(2 * mbit),
    competitor: { kind: 'same', fromMs: 20_000 },
    share: (atMs) => (atMs < 20_000 ? 1 : 0.5),
  },
  {
    ...usual,
    name: 'tcp',
    about: '2 Mbit/s, a TCP-like transfer from 20 to 40 s',
    capacity: constant(2 * mbit),
    competitor: { kind: 'tcp', fromMs: 20_000, untilMs: 40_000 },
    share: (atMs) => (atMs < 20_000 || atMs >= 40_000 ? 1 : 0.5),
  },
  {
    ...usual,
    name: 'RFC 8867 5.1',
    about: '1, 2.5, 0.6, 1 Mbit/s at 0, 40, 60, 80 s; 50 ms, 30 ms jitter, queue 300 ms',
    seconds: 100,
    delayMs: 50,
    jitterMs: 30,
    capacity: steps([0, 1], [40, 2.5], [60, 0.6], [80, 1]),
    increaseMs: 40_000,
  },
  {
    ...usual,
    name: 'RFC 8867 5.8',
    about: '3.5 Mbit/s; the source pauses from 40 to 60 s; 50 ms, 30 ms jitter, queue 300 ms',
    seconds: 120,
    delayMs: 50,
    jitterMs: 30,
    capacity: constant(3.5 * mbit),
    source: steps([0, 100], [40, 0], [60, 100]),
    increaseMs: 60_000,
  },
];
