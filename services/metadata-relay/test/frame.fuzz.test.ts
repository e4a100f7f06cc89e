import {
  decodeFrame,
  encodeFrame,
  FrameError,
  type FrameErrorCode,
  type FrameOrigin,
  maxFrameBytes,
  stampFrame,
} from '@flotilla/data-channel';
import { testParser } from '@flotilla/testkit/fuzz';
import { expect } from 'vitest';

const codes: FrameErrorCode[] = [
  ...(['too-large', 'malformed', 'unknown-kind', 'direction', 'topic', 'publisher', 'shard', 'range', 'time'] as const),
];
const stamp = { publisherId: 'pt_ada', routedAt: 1.8e15 };

/** Decodes a frame from one of the sides, and checks that it is the same one after it was encoded, or stamped as a relay does. */
function check(input: Uint8Array, from: FrameOrigin): string {
  try {
    const { body, stamp: received } = decodeFrame(input, from);
    const again = encodeFrame({ body, ...(received && { stamp: received }) });
    expect(decodeFrame(again, from)).toEqual({ body, stamp: received });
    if (body.case !== 'shard') return 'accepted';
    if (body.value.size > 0) expect(body.value.payload.buffer === input.buffer).toBe(true);
    if (from === 'relay') return 'accepted';
    const routed = decodeFrame(stampFrame(input, stamp, 2 * maxFrameBytes), 'relay', 2 * maxFrameBytes);
    expect(routed).toMatchObject({ body, stamp });
    return 'accepted';
  } catch (error) {
    if (error instanceof FrameError) return error.code;
    throw error;
  }
}

for (const from of ['publisher', 'relay'] as const)
  testParser(`metadata frame of a ${from}`, new URL(`corpus/frame-of-${from}/`, import.meta.url), {
    outcomes: ['accepted', ...codes],
    maxBytes: maxFrameBytes + 64,
    bounds: { cpuMs: 20, allocatedBytes: 2 ** 22 },
    outcomeOf: ({ buffer, byteOffset, length }) => check(new Uint8Array(buffer, byteOffset, length), from),
  });
