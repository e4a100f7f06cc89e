import { summarize } from '@flotilla/loadtest-kit';
import { maxStreamBytes } from '@flotilla/bus';
import type { Attack } from './attacker.ts';
import type { Outcome } from './attacker-process.ts';
import type { PairFigures } from './honest-pair.ts';

/** What an attack did to the pair and to Redis, and what it got. */
export interface Result {
  readonly attack: Attack;
  readonly rest: PairFigures;
  readonly attacked: PairFigures;
  /** Memory that Redis uses, in bytes. */
  readonly redis: { readonly begin: number; readonly peak: number };
  readonly outcome: Outcome;
}

/** Sessions, tokens, nodes and what Redis itself needs, besides the streams. */
const recordBytes = 16 * 1024 * 1024;

/** Bytes by which Redis may grow: what docs/limits.md names for each stream, and the records. */
export const redisBudget = ({ streams = 0 }: Attack): number => streams * maxStreamBytes + recordBytes;

const mib = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1);
const percentiles = (values: readonly number[]): string => {
  const { p50, p95, p99 } = summarize(values);
  return [p50, p95, p99].map((value) => value.toFixed(1)).join(' / ');
};
const counts = (of: Iterable<readonly [string, number]>): string =>
  [...of]
    .toSorted(([, a], [, b]) => b - a)
    .map(([what, count]) => `${what}: ${count}`)
    .join(', ') || 'nothing';

export const head = [
  'attack',
  'dispatch at rest, p50 / p95 / p99 (ms)',
  'dispatch under attack (ms)',
  'p99, times that at rest',
  'mute, p99 at rest / under attack (ms)',
  'longest media gap at rest / under attack (ms)',
  "pair's messages: lost / refused",
  'disconnections of the pair',
  'Redis at start / peak / allowed (MiB)',
  'answers to the attacker',
] as const;

export function row({ attack, rest, attacked, redis, outcome }: Result): string[] {
  const p99 = (values: readonly number[]): number => summarize(values).p99;
  return [
    attack.name,
    percentiles(rest.dispatch),
    percentiles(attacked.dispatch),
    (p99(attacked.dispatch) / p99(rest.dispatch)).toFixed(1),
    `${p99(rest.mutes).toFixed(1)} / ${p99(attacked.mutes).toFixed(1)}`,
    `${rest.longestGapMs.toFixed(0)} / ${attacked.longestGapMs.toFixed(0)}`,
    `${attacked.lost} / ${attacked.refused.size === 0 ? 0 : counts(attacked.refused)} of ${attacked.sent}`,
    String(attacked.disconnections.length),
    `${mib(redis.begin)} / ${mib(redis.peak)} / ${mib(redis.begin + redisBudget(attack))}`,
    counts(outcome.answers),
  ];
}

/** What a run must not show. Times are not among it. */
export function failures({ attack, rest, attacked, redis, outcome }: Result): string[] {
  const unexpected = outcome.answers.filter(([answer]) => !attack.expected.includes(answer));
  return [
    ...(outcome.error === undefined ? [] : [`it did not run: ${outcome.error}`]),
    ...[...rest.disconnections, ...attacked.disconnections].map((what) => `the pair was disconnected: ${what}`),
    ...(attacked.lost > 0 ? [`${attacked.lost} messages of the pair were lost`] : []),
    ...(redis.peak > redis.begin + redisBudget(attack)
      ? [`Redis grew by ${mib(redis.peak - redis.begin)} MiB, above ${mib(redisBudget(attack))} MiB`]
      : []),
    ...(unexpected.length > 0 ? [`answers that no document names: ${counts(unexpected)}`] : []),
  ].map((what) => `${attack.name}: ${what}`);
}
