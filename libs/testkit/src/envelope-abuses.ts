import { type ErrorCode, maxFrameBytes, maxNesting } from '@flotilla/contracts';

/** A mark that must not occur in an answer to another session. */
export const envelopeMark = 'polluted';
const evil = `{"${envelopeMark}":true}`;

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
/** A message that is nested `depth` levels deep, of which the envelope and the payload are two. */
const message = (to: string, data: string): string =>
  `{"id":"1","type":"message","to":"${to}","payload":{"data":${data}}}`;

/** A message with the code of its refusal; undefined when it is accepted. */
type Envelope = readonly [text: string, code: ErrorCode | undefined];

/**
 * Messages that aim at prototypes, parsers or limits, by what they try.
 *
 * @param to address of a room that the sender has joined.
 */
export const envelopeAbuses = (to: string): Readonly<Record<string, Envelope>> => ({
  '__proto__ in the envelope': [`{"id":"1","type":"ping","__proto__":${evil}}`, 'BAD_MESSAGE'],
  'constructor in the envelope': [`{"id":"1","type":"ping","constructor":{"prototype":${evil}}}`, 'BAD_MESSAGE'],
  'prototype in the envelope': [`{"id":"1","type":"ping","prototype":${evil}}`, 'BAD_MESSAGE'],
  // Dropped by the JSON parser.
  '__proto__ in a payload': [`{"id":"1","type":"ping","payload":{"__proto__":${evil}}}`, undefined],
  'constructor in a payload': [
    `{"id":"1","type":"ping","payload":{"constructor":{"prototype":${evil}}}}`,
    'BAD_PAYLOAD',
  ],
  '__proto__ deep in a payload': [
    `{"id":"1","type":"update_subscriptions","to":"${to}","payload":{"publicationIds":["pub_a"],"layers":{"spatial":0,"__proto__":${evil}}}}`,
    'BAD_PAYLOAD',
  ],
  'constructor as an address to resume': [
    `{"id":"1","type":"resume","payload":{"offsets":{"constructor":"0-0"}}}`,
    'BAD_PAYLOAD',
  ],
  '__proto__ as data': [message(to, `{"__proto__":${evil},"constructor":{"prototype":${evil}}}`), undefined],
  '__proto__ as type': ['{"id":"1","type":"__proto__"}', 'UNKNOWN_TYPE'],
  'toString as type': ['{"id":"1","type":"toString"}', 'UNKNOWN_TYPE'],
  '__proto__ as a room': [message('room:__proto__', '1'), 'BAD_MESSAGE'],
  'constructor as a room': [message('room:constructor', '1'), 'NOT_IN_ROOM'],
  'keys twice: the last counts': ['{"id":"0","id":"1","type":"no_such","type":"ping"}', undefined],
  'a number for an id': ['{"id":1,"type":"ping"}', 'BAD_MESSAGE'],
  'an infinite number': [
    `{"id":"1","type":"update_subscriptions","to":"${to}","payload":{"publicationIds":["pub_a"],"priority":1e400}}`,
    'BAD_PAYLOAD',
  ],
  'a number of 1,000 digits': [
    `{"id":"1","type":"update_subscriptions","to":"${to}","payload":{"publicationIds":["pub_a"],"priority":${'9'.repeat(1000)}}}`,
    'BAD_PAYLOAD',
  ],
  'huge numbers as data': [message(to, '[1e400,-1e400,1e-400,123456789012345678901234567890]'), undefined],
  'nested as deep as may be': [message(to, nested(maxNesting - 2)), undefined],
  'nested one deeper': [message(to, nested(maxNesting - 1)), 'BAD_MESSAGE'],
  'nested 10,000 deep': [message(to, nested(10_000)), 'BAD_MESSAGE'],
  'objects nested 10,000 deep': [message(to, `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`), 'BAD_MESSAGE'],
  'brackets in a string do not count as nesting': [message(to, `"${'['.repeat(100)}"`), undefined],
  '64 KiB of [': ['['.repeat(maxFrameBytes), 'BAD_MESSAGE'],
  'a lone surrogate': [message(to, String.raw`"\ud800"`), 'BAD_MESSAGE'],
  'a NUL, escaped, as data': [message(to, String.raw`"\u0000"`), undefined],
  'a NUL as it is': ['{"id":"1","type":"ping"}\0', 'BAD_MESSAGE'],
  'a NUL in the name of a room': [String.raw`{"id":"1","type":"join","payload":{"room":"a\u0000b"}}`, 'BAD_PAYLOAD'],
  'a byte order mark': ['\uFEFF{"id":"1","type":"ping"}', 'BAD_MESSAGE'],
  'an id of 65 characters': [`{"id":"${'x'.repeat(65)}","type":"ping"}`, 'BAD_MESSAGE'],
  'an id of 60,000 characters': [`{"id":"${'x'.repeat(60_000)}","type":"ping"}`, 'BAD_MESSAGE'],
  'a type of 60,000 characters': [`{"id":"1","type":"${'x'.repeat(60_000)}"}`, 'BAD_MESSAGE'],
  'an address of 60,000 characters': [message(`room:${'x'.repeat(60_000)}`, '1'), 'BAD_MESSAGE'],
  '10,000 unknown keys': [`{${Array.from({ length: 5000 }, (_, index) => `"k${index}":1`).join(',')}}`, 'BAD_MESSAGE'],
  null: ['null', 'BAD_MESSAGE'],
  'a list': ['[]', 'BAD_MESSAGE'],
  blank: ['   ', 'BAD_MESSAGE'],
});
