import {
  FlotillaError,
  isWellFormed,
  maxFrameBytes,
  Request,
  type RequestType,
  signalRequests,
} from '@flotilla/contracts';
import { testParser } from '@flotilla/testkit/fuzz';
import { expect } from 'vitest';
import { idOf, parseRequest, readPayload } from '../src/inbound/parse-request.ts';
import { costOf } from '../src/limits/request-costs.ts';

/** Parses a message. Throws FlotillaError. */
function checkedMessage(text: string): void {
  const request = parseRequest(text);
  expect(Request.parse(request)).toEqual(request);
  if (Buffer.byteLength(text) <= 1024) expect(request.id).toBe(idOf(Buffer.from(text)));
  const { payload, roomId, to } = readPayload(request, 'acme');
  const { payload: schema } = signalRequests[request.type as RequestType];
  expect(isWellFormed({ payload, roomId, to })).toBe(true);
  expect(schema.parse(payload)).toEqual(payload);
  const cost = costOf(request.type, request.payload, Buffer.byteLength(text), 0);
  expect(cost).toBeGreaterThanOrEqual(1);
  expect(cost).toBeLessThan(Infinity);
}

testParser('message envelope', new URL('corpus/envelope/', import.meta.url), {
  outcomes: ['accepted', 'BAD_MESSAGE', 'BAD_PAYLOAD', 'UNKNOWN_TYPE'],
  maxBytes: maxFrameBytes,
  json: true,
  words: [
    ...Object.keys(signalRequests),
    'room:rm_a',
    'room:daily',
    'user:ada',
    'user:acme/ada',
    '*',
    '1-0',
    'pub_a',
    'pt_a',
  ],
  outcomeOf: (input) => {
    const text = input.toString();
    try {
      checkedMessage(text);
      return 'accepted';
    } catch (error) {
      if (!(error instanceof FlotillaError)) throw error;
      const id = idOf(input);
      if (id !== null) expect(id.length).toBeLessThanOrEqual(64);
      return error.code;
    }
  },
});
