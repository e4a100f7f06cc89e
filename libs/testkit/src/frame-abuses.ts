import { closeCodes, maxFrameBytes } from '@flotilla/contracts';
import { closeBody, frame, opcodes } from './raw-frames.ts';

/** Frames that a client sends one after the other, by what is wrong with them. */
export type FrameAbuses = Readonly<Record<string, readonly Buffer[]>>;

const { text, binary, continuation, close, ping } = opcodes;
const more = { fin: false };
const request = '{"id":"1","type":"ping","payload":{}}';
/** Not UTF-8: a byte that never occurs, an overlong slash, a surrogate half, and an incomplete character. */
const invalidUtf8 = { byte: [0xff], overlong: [0xc0, 0xaf], surrogate: [0xed, 0xa0, 0x80], cut: [0x22, 0xe2, 0x82] };

const each = <K extends string | number>(
  what: string,
  values: readonly K[],
  bytes: (value: K) => Buffer,
): Record<string, Buffer[]> => Object.fromEntries(values.map((value) => [`${what} ${value}`, [bytes(value)]]));

const protocolErrors: FrameAbuses = {
  'an unmasked frame': [frame(text, request, { masked: false })],
  ...each('reserved bits', [1, 2, 3, 4, 5, 6, 7], (rsv) => frame(text, request, { rsv })),
  ...each('opcode', [3, 4, 5, 6, 7, 11, 12, 13, 14, 15], (opcode) => frame(opcode, request)),
  'a ping in fragments': [frame(ping, 'a', more), frame(continuation, 'b')],
  'a close frame in fragments': [frame(close, closeBody(1000), more)],
  'a ping of 126 bytes': [frame(ping, 'x'.repeat(126))],
  'a continuation of nothing': [frame(continuation, request)],
  'a continuation after the end': [frame(text, '[', more), frame(continuation, ']'), frame(continuation, 'x')],
  'a message inside another': [frame(text, '[', more), frame(text, request)],
  'a close frame of one byte': [frame(close, Buffer.from([3]))],
  ...each('close code', [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535], (code) =>
    frame(close, closeBody(code)),
  ),
};

const invalidTexts: FrameAbuses = {
  ...each('text with', Object.keys(invalidUtf8) as (keyof typeof invalidUtf8)[], (kind) =>
    frame(text, Buffer.from(invalidUtf8[kind])),
  ),
  'a surrogate across fragments': [
    frame(text, Buffer.from(invalidUtf8.surrogate.slice(0, 1)), more),
    frame(continuation, Buffer.from(invalidUtf8.surrogate.slice(1))),
  ],
  'an invalid last fragment': [frame(text, '{"id":"', more), frame(continuation, Buffer.from(invalidUtf8.byte))],
  'a reason': [frame(close, closeBody(1000, Buffer.from(invalidUtf8.byte)))],
};

const tooMuch: FrameAbuses = {
  'one byte more': [frame(text, 'x'.repeat(maxFrameBytes + 1))],
  'only announced': [frame(text, '', { claimedLength: BigInt(maxFrameBytes + 1) })],
  'a length of 2^53': [frame(text, '', { claimedLength: 2n ** 53n })],
  'a length with the top bit set': [frame(text, '', { claimedLength: 2n ** 63n })],
  'all bits set': [frame(binary, '', { claimedLength: 2n ** 64n - 1n })],
  '65 fragments of 1 KiB': [
    frame(text, 'x'.repeat(1024), more),
    ...Array.from({ length: 64 }, () => frame(continuation, 'x'.repeat(1024), more)),
  ],
};

const tooManyFragments: FrameAbuses = {
  'of one byte': [
    frame(text, 'x', more),
    Buffer.concat(Array.from({ length: 20_000 }, () => frame(continuation, 'x', more))),
  ],
  'empty ones': [
    frame(text, '', more),
    Buffer.concat(Array.from({ length: 20_000 }, () => frame(continuation, '', more))),
  ],
};

/** Every abuse of frames, by the code that the connection is closed with. */
export const frameAbuses = {
  [closeCodes.PROTOCOL_ERROR]: protocolErrors,
  [closeCodes.INVALID_TEXT]: invalidTexts,
  [closeCodes.MESSAGE_TOO_BIG]: tooMuch,
  [closeCodes.TOO_MANY_FRAGMENTS]: tooManyFragments,
} as const satisfies Readonly<Record<number, FrameAbuses>>;
