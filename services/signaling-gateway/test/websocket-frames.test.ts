import { frame, opcodes } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { pingFrame, textFrame } from '../src/delivery/websocket-frames.ts';

const texts = ['', 'a', 'é'.repeat(62), 'a'.repeat(125), 'a'.repeat(126), '漢'.repeat(21_845), 'a'.repeat(65_536)];

test.each(texts.map((text) => [Buffer.byteLength(text), text]))(
  'a text frame of %i bytes is encoded as in RFC 6455',
  (_length, text) => {
    expect(textFrame(text).equals(frame(opcodes.text, text, { masked: false }))).toBe(true);
  },
);

test('a ping frame is encoded as in RFC 6455', () => {
  expect(pingFrame).toEqual(frame(opcodes.ping, '', { masked: false }));
});
