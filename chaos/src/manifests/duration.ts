const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Reads a duration as Go writes it, such as `500ms`, `1m30s` or `-5m`. Returns milliseconds.
 *
 * @throws RangeError if it is none.
 */
export function readDuration(text: string): number {
  const [, sign = '', parts = ''] = /^(-?)((?:\d+(?:\.\d+)?(?:ms|s|m|h))+)$/.exec(text) ?? [];
  if (parts === '') throw new RangeError(`"${text}" is not a duration such as 500ms, 30s or 1m30s`);
  let ms = 0;
  for (const [, count = '', unit = ''] of parts.matchAll(/([\d.]+)(ms|s|m|h)/g)) ms += Number(count) * unitMs[unit]!;
  return sign === '-' ? -ms : ms;
}

/** Writes milliseconds as a duration: the largest unit of which they are a whole number. */
export function writeDuration(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) {
    const count = ms / unitMs[unit]!;
    if (count !== 0 && Number.isInteger(count)) return `${count}${unit}`;
  }
  return `${Math.round(ms)}ms`;
}
