/** Of latencies, ms. */
export interface Quantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  // Nearest rank.
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

export interface RankTest {
  /** Probability of a difference of the ranks as large as this, or larger, if both samples had one distribution. */
  readonly p: number;
  /** Probability that a value of the second sample is larger than one of the first, ties counted half. 0.5: neither is. */
  readonly secondIsLarger: number;
}

/** The two-sided Mann-Whitney U test, by the normal approximation with ties and continuity corrected, which is for 20 values or more. */
export function mannWhitney(first: readonly number[], second: readonly number[]): RankTest {
  const [n, m] = [first.length, second.length];
  if (n === 0 || m === 0) return { p: 1, secondIsLarger: 0.5 };
  const all = [
    ...first.map((value) => ({ value, isSecond: false })),
    ...second.map((value) => ({ value, isSecond: true })),
  ];
  all.sort((a, b) => a.value - b.value);
  let rankSum = 0;
  let ties = 0;
  for (let from = 0; from < all.length;) {
    let to = from;
    while (to < all.length && all[to]!.value === all[from]!.value) to += 1;
    const count = to - from;
    // The mean of the ranks from + 1 to `to`.
    const rank = (from + 1 + to) / 2;
    for (let index = from; index < to; index++) if (all[index]!.isSecond) rankSum += rank;
    ties += count ** 3 - count;
    from = to;
  }
  const u = rankSum - (m * (m + 1)) / 2;
  const total = n + m;
  const deviation = Math.sqrt(((n * m) / 12) * (total + 1 - ties / (total * (total - 1))));
  const distance = Math.max(0, Math.abs(u - (n * m) / 2) - 0.5);
  return { p: deviation === 0 ? 1 : 2 * upperTail(distance / deviation), secondIsLarger: u / (n * m) };
}

/** Of the standard normal distribution, for z >= 0. Abramowitz and Stegun, formula 26.2.17: absolute error below 7.5e-8. */
function upperTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const series = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429];
  const sum = series.reduceRight((inner, coefficient) => t * (coefficient + inner), 0);
  return Math.min(0.5, (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * sum);
}
