import { Buffer } from 'node:buffer';
import { decodeFrame, encodeFrame } from '@flotilla/data-channel';
import type { Options } from './options.ts';
import { Samples } from './samples.ts';

interface Codec {
  readonly name: string;
  readonly encode: (seqId: number, payload: Uint8Array) => Uint8Array;
  /** Bytes of the payload. */
  readonly decode: (bytes: Uint8Array) => number;
}

const captureTime = 1.8e15;

const protobuf: Codec = {
  name: 'protobuf frame',
  encode: (seqId, payload) =>
    encodeFrame({
      body: {
        case: 'shard',
        value: { topic: 'detections', seqId, index: 0, total: 1, size: payload.length, captureTime, payload },
      },
    }),
  decode: (bytes) => {
    const { body } = decodeFrame(bytes, 'publisher');
    return body.case === 'shard' ? body.value.payload.length : 0;
  },
};

/** The same fields without validation; bytes as base64. */
const json: Codec = {
  name: 'JSON',
  encode: (seqId, payload) =>
    Buffer.from(
      JSON.stringify({
        topic: 'detections',
        seqId,
        index: 0,
        total: 1,
        size: payload.length,
        captureTime,
        payload: Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString('base64'),
      }),
    ),
  decode: (bytes) => {
    const { payload } = JSON.parse(bytes.toString()) as { payload: string };
    return Buffer.from(payload, 'base64').length;
  },
};

/** Encodes and decodes frames with all codecs, alternating. Durations in microseconds. */
export function compareCodecs({ bytes, rounds, frames }: Options) {
  const payload = Uint8Array.from({ length: bytes }, (_, at) => (at * 31) & 255);
  const sides = [protobuf, json].map((codec) => ({ codec, encode: new Samples(), decode: new Samples() }));
  const turn = ({ codec, encode, decode }: (typeof sides)[number]) => {
    for (let seqId = 0; seqId < frames; seqId++) {
      const began = performance.now();
      const encoded = codec.encode(seqId, payload);
      const between = performance.now();
      const length = codec.decode(encoded);
      const ended = performance.now();
      if (length !== bytes) throw new Error(`${codec.name} lost bytes`);
      encode.add((between - began) * 1000);
      decode.add((ended - between) * 1000);
    }
  };
  const warmUp = sides.map(({ codec }) => ({ codec, encode: new Samples(), decode: new Samples() }));
  for (const side of warmUp) turn(side);
  for (let round = 0; round < rounds; round++) for (const side of sides) turn(side);
  return sides.map(({ codec, encode, decode }) => ({
    name: codec.name,
    bytes: codec.encode(1, payload).length,
    encode: encode.percentiles(),
    decode: decode.percentiles(),
  }));
}
