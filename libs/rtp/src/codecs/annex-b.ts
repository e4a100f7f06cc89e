// NAL units in the byte stream format: H.264 and H.265, annex B.

/** Where a NAL unit is in its buffer. */
export interface UnitRange {
  start: number;
  /** Not included. */
  end: number;
}

/** More units than an access unit has at any level of H.264 or H.265 (600 slices in H.265, annex A). Further ones are left out. */
const maxUnits = 2048;

/**
 * Finds the NAL units of an access unit.
 *
 * @param ranges is filled with them and used again by the next call, so that it grows only once.
 * @returns the number of units.
 */
export function findUnits(data: Buffer, ranges: UnitRange[]): number {
  let count = 0;
  let start = -1;
  for (let at = 0; at + 2 < data.length && count < maxUnits;) {
    // Most bytes are above 1, and none of the three is then a part of a start code.
    if (data[at + 2]! > 1) at += 3;
    else if (data[at] === 0 && data[at + 1] === 0 && data[at + 2] === 1) {
      if (start >= 0) count = addUnit(data, ranges, count, start, at);
      start = at + 3;
      at += 3;
    } else at++;
  }
  return start >= 0 && count < maxUnits ? addUnit(data, ranges, count, start, data.length) : count;
}

/** A unit without the zero bytes between it and the next start code. */
function addUnit(data: Buffer, ranges: UnitRange[], count: number, start: number, limit: number): number {
  let end = limit;
  while (end > start && data[end - 1] === 0) end--;
  if (end === start) return count;
  const range = (ranges[count] ??= { start: 0, end: 0 });
  range.start = start;
  range.end = end;
  return count + 1;
}

/** The NAL units of an access unit, as views. */
export function unitsOf(data: Buffer): Buffer[] {
  const ranges: UnitRange[] = [];
  const count = findUnits(data, ranges);
  return ranges.slice(0, count).map(({ start, end }) => data.subarray(start, end));
}
