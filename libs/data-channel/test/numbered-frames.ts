// Frames of many lengths, whose bytes are derived from their number.

export const longestFrame = 300;
const pool = Buffer.alloc(longestFrame);
const views = Array.from({ length: longestFrame + 1 }, (_, length) => pool.subarray(0, length));

/** The frame with a number, valid until the next call. */
export function numberedFrame(number: number): Uint8Array {
  const frame = views[(Math.imul(number, 40_503) >>> 0) % (longestFrame + 1)]!;
  frame.fill(number * 13);
  if (frame.length >= 4) frame.writeUInt32LE(number);
  return frame;
}

/** The tag of a frame, derived from its number. */
export const tagOf = (number: number): number => Math.imul(number, 40_503) | 0;

export function isNumberedFrame(frame: Uint8Array | undefined, tag: number, number: number): boolean {
  return frame !== undefined && tag === tagOf(number) && Buffer.compare(frame, numberedFrame(number)) === 0;
}
