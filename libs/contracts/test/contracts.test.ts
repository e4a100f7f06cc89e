import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { requestExamples } from '../src/asyncapi/examples.ts';
import {
  Address,
  base32,
  commands,
  compareOffsets,
  errorCatalogue,
  Event,
  FlotillaError,
  isRecordingUser,
  Member,
  newId,
  participantIdOf,
  publicParticipant,
  recordingUserId,
  Request,
  type RequestType,
  RoomEvent,
  RoomName,
  RoomRef,
  signalRequests,
  TokenClaims,
} from '../src/index.ts';

describe('ids', () => {
  test('have the prefix of their kind and are unique', () => {
    const ids = Array.from({ length: 10_000 }, () => newId('session'));
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids.slice(0, 100)) expect(id).toMatch(/^ss_[0-9a-hjkmnp-tv-z]{16}$/);
  });

  test('a session is one participant of a room', () => {
    expect(participantIdOf('ss_0123')).toBe('pt_0123');
  });

  test('the user of a recording is known by its id, with and without a tenant', () => {
    const userId = recordingUserId('rec_0123456789abcdef');
    expect([userId, `acme/${userId}`, 'recording', 'recording-studio', `x-${userId}`].map(isRecordingUser)).toEqual([
      ...[true, true, false, false, false],
    ]);
  });

  test('base32 encoding is injective', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 10, maxLength: 10 }),
        fc.uint8Array({ minLength: 10, maxLength: 10 }),
        (a, b) => {
          fc.pre(a.some((byte, index) => byte !== b[index]));
          expect(base32(a)).not.toBe(base32(b));
          expect(base32(a)).toHaveLength(16);
        },
      ),
    );
  });
});

describe('offsets', () => {
  const offset = fc
    .tuple(fc.nat({ max: 2 ** 45 }), fc.nat({ max: 1000 }))
    .map(([time, count]) => ({ text: `${time}-${count}`, time, count }));

  test('are ordered by time, then by count', () => {
    fc.assert(
      fc.property(offset, offset, (a, b) => {
        const expected = Math.sign(a.time - b.time) || Math.sign(a.count - b.count);
        expect(Math.sign(compareOffsets(a.text, b.text))).toBe(expected);
      }),
    );
  });
});

describe('names and addresses', () => {
  test.each(['a', 'stand-up', 'room_7', '9', 'x'.repeat(63)])('"%s" names a room', (name) => {
    expect(RoomName.parse(name)).toBe(name);
    expect(Address.parse(`room:${name}`)).toBe(`room:${name}`);
  });

  test.each(['', 'A', 'rm_abc', '-a', 'a b', 'x'.repeat(64), 'ä', '__proto__'])('"%s" does not', (name) => {
    expect(RoomName.safeParse(name).success).toBe(false);
  });

  test('a room is referenced by id or by name', () => {
    expect(RoomRef.safeParse('rm_0123').success).toBe(true);
    expect(RoomRef.safeParse('daily').success).toBe(true);
  });

  test.each(['room:', 'user:', 'somebody', 'room:Big', '**'])('"%s" is not an address', (address) => {
    expect(Address.safeParse(address).success).toBe(false);
  });
});

describe('messages of clients', () => {
  test('are refused with fields outside the envelope', () => {
    expect(Request.safeParse({ id: '1', type: 'ping', payload: {} }).success).toBe(true);
    expect(Request.safeParse({ id: '1', type: 'ping', payload: {}, from: 'pt_x' }).success).toBe(false);
  });

  test.each(Object.entries(signalRequests))('%s refuses unknown fields', (type, { payload }) => {
    const example = requestExamples[type as RequestType].payload;
    expect(payload.safeParse(example).success).toBe(true);
    const result = payload.safeParse({ ...example, surprise: true });
    expect(result.success).toBe(false);
    expect(result.error!.issues.some(({ code }) => code === 'unrecognized_keys')).toBe(true);
  });

  test('bound every array and string', () => {
    const subscribe = signalRequests.subscribe.payload;
    const ids = (count: number) => Array.from({ length: count }, (_, index) => `pub_${index}`);
    expect(subscribe.safeParse({ publicationIds: ids(64) }).success).toBe(true);
    expect(subscribe.safeParse({ publicationIds: ids(65) }).success).toBe(false);
  });
});

describe('records and events of services', () => {
  test('may have fields of a newer version, which are dropped', () => {
    const read = Event.parse({ type: 'x', from: 'system', to: 'room:a', routedAt: 1, payload: {}, newer: true });
    expect(read).not.toHaveProperty('newer');
    const event = {
      type: 'participant_left',
      from: 'system',
      payload: { participantId: 'pt_a', reason: 'left', publicationIds: [], newer: 1 },
    };
    expect(RoomEvent.parse(event).payload).not.toHaveProperty('newer');
  });

  test('every command has a version and schemas for its request and reply', () => {
    for (const [type, { version, payload, reply }] of Object.entries(commands)) {
      expect(type).toMatch(/^(registry|sfu|relay)\.[a-z_]+$/);
      expect(version).toBeGreaterThanOrEqual(1);
      expect(payload.safeParse('text').success).toBe(false);
      expect(reply.safeParse('text').success).toBe(false);
    }
  });

  test('a participant in an event has no session and node id', () => {
    const member = Member.parse({
      id: 'pt_a',
      userId: 'u',
      name: 'U',
      joinedAt: 1,
      roomId: 'rm_a',
      sessionId: 'ss_a',
      nodeId: 'nd_a',
      grants: ['publish'],
    });
    expect(publicParticipant(member)).toEqual({
      id: 'pt_a',
      userId: 'u',
      name: 'U',
      joinedAt: 1,
      connection: 'connected',
      grants: ['publish'],
    });
  });
});

describe('errors', () => {
  test('have a meaning, a cure and an HTTP status', () => {
    for (const { status, meaning, cure } of Object.values(errorCatalogue)) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(meaning).toMatch(/\.$/);
      expect(cure).toMatch(/\.$/);
    }
  });

  test('an unknown error becomes INTERNAL, with its cause in the log only', () => {
    const failure = FlotillaError.from(new Error('password=x'));
    expect(failure.code).toBe('INTERNAL');
    expect(JSON.stringify(failure.body)).not.toContain('password');
    expect(failure.cause).toBeInstanceOf(Error);
  });
});

test('join accepts the fecMechanisms that ORTC clients send in their capabilities', () => {
  const payload = { room: 'stand-up', rtpCapabilities: { codecs: [], headerExtensions: [], fecMechanisms: [] } };
  expect(signalRequests.join.payload.safeParse(payload).success).toBe(true);
});

describe('token claims', () => {
  const claims = { iss: 'flotilla', aud: 'flotilla', sub: 'ada', jti: '0123456789', iat: 1, nbf: 1, exp: 2 };

  test.each([
    ['Ada 😀', true],
    ['Ada \ud83d', false],
    ['\ude00 Ada', false],
  ])('the name %j is accepted: %s', (name, accepted) => {
    expect(TokenClaims.safeParse({ ...claims, name }).success).toBe(accepted);
  });
});
