// Serial numbers of RTP: 16-bit sequence numbers and 32-bit timestamps, which wrap around.

/** Distance from sequence number `from` to `to`, from -32,768 to 32,767. */
export const sequenceDistance = (from: number, to: number): number => ((to - from) << 16) >> 16;

/** Distance from timestamp `from` to `to`, from -2^31 to 2^31 - 1. */
export const timestampDistance = (from: number, to: number): number => (to - from) | 0;

export const nextSequence = (sequence: number): number => (sequence + 1) & 0xff_ff;
