import { FlotillaError, maxSdpLength, type NegotiationEvent } from '@flotilla/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apply, newPair, otherSide, PairRecord, type Side, stateOf, ufragsOf } from '../src/negotiation/pair.ts';
import { NegotiatingClient } from './negotiating-client.ts';

let version = 0;
const sdp = (ufrag: string): string => `v=0\r\no=- 1 ${++version} IN IP4 127.0.0.1\r\na=ice-ufrag:${ufrag}\r\n`;
const description = (kind: 'offer' | 'pranswer' | 'answer', ufrag = 'u'): NegotiationEvent => ({
  kind,
  sdp: sdp(ufrag),
  streams: [],
});
const candidate = (usernameFragment: string): NegotiationEvent => ({
  kind: 'candidate',
  candidate: { candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0, usernameFragment },
});
const after = (...steps: [Side, NegotiationEvent][]): PairRecord =>
  steps.reduce((record, [side, part]) => apply(record, side, part).record, newPair);
const refusal = (record: PairRecord, side: Side, part: NegotiationEvent): FlotillaError => {
  try {
    apply(record, side, part);
  } catch (error) {
    return error as FlotillaError;
  }
  throw new Error('the message was accepted');
};

describe('negotiation of a pair', () => {
  test('each side has the signaling state of WebRTC after every description', () => {
    const views = (record: PairRecord) => [stateOf(record, 'first'), stateOf(record, 'second')];
    const offered = after(['second', description('offer')]);
    expect(views(offered)).toEqual(['have-remote-offer', 'have-local-offer']);
    const pranswered = apply(offered, 'first', description('pranswer')).record;
    expect(views(pranswered)).toEqual(['have-local-pranswer', 'have-remote-pranswer']);
    const answered = apply(pranswered, 'first', description('answer')).record;
    expect(views(answered)).toEqual(['stable', 'stable']);
    const closed = apply(answered, 'first', { kind: 'close' }).record;
    expect(views(closed)).toEqual(['closed', 'closed']);
    expect(views(apply(closed, 'first', description('offer')).record)).toEqual([
      'have-local-offer',
      'have-remote-offer',
    ]);
  });

  test.each([
    ['an answer without an offer', newPair, description('answer'), 'stable'],
    ['an answer to oneself', after(['first', description('offer')]), description('answer'), 'have-local-offer'],
    ['a rollback of nothing', newPair, { kind: 'rollback' }, 'stable'],
    [
      'a rollback of the other side',
      after(['second', description('offer')]),
      { kind: 'rollback' },
      'have-remote-offer',
    ],
    ['a candidate before any description', newPair, candidate('u'), 'stable'],
    [
      'an offer while one is being answered',
      after(['second', description('offer')], ['first', description('pranswer')]),
      description('offer'),
      'have-local-pranswer',
    ],
    [
      'streams after the end',
      after(['first', description('offer')], ['first', { kind: 'close' }]),
      { kind: 'streams', streams: [] },
      'closed',
    ],
  ] as [string, PairRecord, NegotiationEvent, string][])(
    '%s is refused with WRONG_STATE, which names the state',
    (_what, record, part, state) => {
      const { code, message } = refusal(record, 'first', part);
      expect({ code, message }).toEqual({
        code: 'WRONG_STATE',
        message: expect.stringContaining(`"${state}"`) as string,
      });
    },
  );

  test('of two simultaneous offers that of the impolite side is kept, in either order of arrival', () => {
    const polite = after(['first', description('offer', 'p')]);
    const replaced = apply(polite, 'second', description('offer', 'i'));
    expect(replaced.forward).toMatchObject({ kind: 'offer' });
    expect(stateOf(replaced.record, 'second')).toBe('have-local-offer');
    expect(refusal(replaced.record, 'first', candidate('p')).code).toBe('WRONG_STATE');

    const impolite = after(['second', description('offer', 'i')]);
    expect(refusal(impolite, 'first', description('offer', 'p'))).toMatchObject({
      code: 'GLARE',
      message: expect.stringContaining('have-remote-offer') as string,
    });
  });

  test('candidates of the current and the offered ICE generation are accepted, others are refused', () => {
    const running = after(['first', description('offer', 'a1')], ['second', description('answer', 'b1')]);
    expect(apply(running, 'first', candidate('a1')).forward).toBeDefined();
    const restarting = apply(running, 'first', description('offer', 'a2')).record;
    for (const ufrag of ['a1', 'a2']) expect(apply(restarting, 'first', candidate(ufrag)).forward).toBeDefined();
    expect(apply(restarting, 'second', candidate('b1')).forward).toBeDefined();
    const restarted = apply(restarting, 'second', description('answer', 'b2')).record;
    expect(apply(restarted, 'first', candidate('a2')).forward).toBeDefined();
    expect(refusal(restarted, 'first', candidate('a1')).message).toMatch(/stable.*generation "a1"/);
    expect(refusal(restarted, 'second', candidate('b1')).code).toBe('WRONG_STATE');
    expect(refusal(restarted, 'second', candidate('a2')).code).toBe('WRONG_STATE');
    expect(refusal(restarted, 'second', { kind: 'end_of_candidates', usernameFragment: 'b1' }).code).toBe(
      'WRONG_STATE',
    );
  });

  test('a description above the size limit is refused, one of exactly the limit is accepted', () => {
    const fits: NegotiationEvent & { sdp: string } = { kind: 'offer', sdp: 'x'.repeat(maxSdpLength), streams: [] };
    expect(apply(newPair, 'first', fits).forward).toBe(fits);
    expect(refusal(newPair, 'first', { ...fits, sdp: `${fits.sdp}x` })).toMatchObject({
      code: 'SDP_TOO_BIG',
      message: expect.stringContaining('stable') as string,
    });
  });

  test('a repeated description is not forwarded again, unless it was rolled back', () => {
    const offer = description('offer');
    const offered = after(['first', offer]);
    expect(apply(offered, 'first', offer)).toEqual({ record: offered });
    const answer = description('answer');
    const answered = apply(offered, 'second', answer).record;
    expect(apply(answered, 'first', offer)).toEqual({ record: answered });
    expect(apply(answered, 'second', answer)).toEqual({ record: answered });
    const rolledBack = apply(offered, 'first', { kind: 'rollback' }).record;
    expect(apply(rolledBack, 'first', offer).forward).toBe(offer);
  });

  test('the ICE generations of a description are parsed from a=ice-ufrag lines of RFC 8839', () => {
    expect(
      ufragsOf('a=ice-ufrag:ab+/\r\nm=audio\r\na=ice-ufrag:ab+/\nm=video\na=ice-ufrag:cd\nx a=ice-ufrag:no'),
    ).toEqual(['ab+/', 'cd']);
  });
});

const anySide = fc.constantFrom<Side>('first', 'second');
const anyUfrag = fc.constantFrom('u1', 'u2', 'u3');
const anyPart: fc.Arbitrary<NegotiationEvent> = fc.oneof(
  fc
    .tuple(fc.constantFrom('offer', 'pranswer', 'answer'), anyUfrag, fc.nat(4))
    .map(([kind, ufrag, number]): NegotiationEvent => ({
      kind,
      sdp: `a=ice-ufrag:${ufrag}\r\ns=${number}`,
      streams: [],
    })),
  fc.constantFrom<NegotiationEvent>({ kind: 'rollback' }, { kind: 'close' }, { kind: 'streams', streams: [] }),
  anyUfrag.map(candidate),
  anyUfrag.map((usernameFragment): NegotiationEvent => ({ kind: 'end_of_candidates', usernameFragment })),
);
const mirrored = {
  stable: 'stable',
  closed: 'closed',
  'have-local-offer': 'have-remote-offer',
  'have-remote-offer': 'have-local-offer',
  'have-local-pranswer': 'have-remote-pranswer',
  'have-remote-pranswer': 'have-local-pranswer',
} as const;

describe('negotiation of a pair, any order of messages', () => {
  test('each message is accepted or refused with a documented code and the state, and the states of both sides match', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anySide, anyPart), { maxLength: 60 }), (steps) => {
        let record = newPair;
        for (const [side, part] of steps) {
          const before = record;
          const snapshot = structuredClone(before);
          try {
            record = apply(before, side, part).record;
          } catch (error) {
            expect(error).toBeInstanceOf(FlotillaError);
            expect(['WRONG_STATE', 'GLARE']).toContain((error as FlotillaError).code);
            expect((error as FlotillaError).message).toContain(`"${stateOf(before, side)}"`);
          }
          expect(before).toEqual(snapshot);
          expect(stateOf(record, otherSide(side))).toBe(mirrored[stateOf(record, side)]);
          const isPending = record.phase === 'offer' || record.phase === 'pranswer';
          expect(record.offerer !== undefined).toBe(isPending);
          for (const each of ['first', 'second'] as const) {
            const { current, pending } = record[each].ice;
            expect(current.length + pending.length).toBeLessThanOrEqual(2);
            if (!isPending) expect(pending).toEqual([]);
            if (record.phase === 'closed') expect(current).toEqual([]);
          }
          // The record survives serialization.
          expect(PairRecord.parse(JSON.parse(JSON.stringify(record)))).toEqual(record);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('two clients with perfect negotiation end stable, on the same descriptions, with all candidates accepted', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(7), { maxLength: 200 }), (choices) => {
        const server = { record: newPair };
        const first = new NegotiatingClient('first', server);
        const second = new NegotiatingClient('second', server);
        first.peer = second;
        second.peer = first;
        // Each number is one action: a client needs to negotiate, or a message moves one step.
        for (const choice of choices) {
          const client = choice % 2 ? first : second;
          if (choice < 2) client.negotiate();
          else client.step((choice >> 1) - 1);
        }
        for (let left = 10_000; first.busy || second.busy; left--) {
          expect(left).toBeGreaterThan(0);
          for (const client of [first, second]) for (const queue of [0, 1, 2]) client.step(queue);
        }
        expect([first.state, second.state, server.record.phase]).toEqual(['stable', 'stable', 'stable']);
        expect(first.agreed).toBe(second.agreed);
        expect([first.needsNegotiation, second.needsNegotiation]).toEqual([false, false]);
        expect(first.unexpected).toEqual([]);
        expect(second.unexpected).toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });
});
