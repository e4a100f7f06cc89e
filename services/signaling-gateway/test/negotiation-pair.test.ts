import { FlotillaError, maxSdpLength, type NegotiationEvent } from '@flotilla/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apply, newPair, otherSide, PairRecord, type Side, stateOf, ufragsOf } from '../src/negotiation/pair.ts';
import { NegotiatingClient } from './negotiating-client.ts';

let version = 0;
const sdp = (ufrag: string): string => `v=0\r\no=- 1 ${++version} IN IP4 127.0.0.1\r\na=ice-ufrag:${ufrag}\r\n`;
const said = (kind: 'offer' | 'pranswer' | 'answer', ufrag = 'u'): NegotiationEvent => ({
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
  throw new Error('it was accepted');
};

describe('a negotiation', () => {
  test('goes through the states of WebRTC, as each side sees them', () => {
    const views = (record: PairRecord) => [stateOf(record, 'first'), stateOf(record, 'second')];
    const offered = after(['second', said('offer')]);
    expect(views(offered)).toEqual(['have-remote-offer', 'have-local-offer']);
    const pranswered = apply(offered, 'first', said('pranswer')).record;
    expect(views(pranswered)).toEqual(['have-local-pranswer', 'have-remote-pranswer']);
    const answered = apply(pranswered, 'first', said('answer')).record;
    expect(views(answered)).toEqual(['stable', 'stable']);
    const closed = apply(answered, 'first', { kind: 'close' }).record;
    expect(views(closed)).toEqual(['closed', 'closed']);
    expect(views(apply(closed, 'first', said('offer')).record)).toEqual(['have-local-offer', 'have-remote-offer']);
  });

  test.each([
    ['an answer without an offer', newPair, said('answer'), 'stable'],
    ['an answer to oneself', after(['first', said('offer')]), said('answer'), 'have-local-offer'],
    ['a rollback of nothing', newPair, { kind: 'rollback' }, 'stable'],
    ['a rollback of the other side', after(['second', said('offer')]), { kind: 'rollback' }, 'have-remote-offer'],
    ['a candidate before any description', newPair, candidate('u'), 'stable'],
    [
      'an offer while one is being answered',
      after(['second', said('offer')], ['first', said('pranswer')]),
      said('offer'),
      'have-local-pranswer',
    ],
    [
      'streams after the end',
      after(['first', said('offer')], ['first', { kind: 'close' }]),
      { kind: 'streams', streams: [] },
      'closed',
    ],
  ] as [string, PairRecord, NegotiationEvent, string][])(
    '%s is refused with the state',
    (_what, record, part, state) => {
      const { code, message } = refusal(record, 'first', part);
      expect({ code, message }).toEqual({
        code: 'WRONG_STATE',
        message: expect.stringContaining(`"${state}"`) as string,
      });
    },
  );

  test('of two offers at once that of the impolite side counts, whichever came first', () => {
    const polite = after(['first', said('offer', 'p')]);
    const replaced = apply(polite, 'second', said('offer', 'i'));
    expect(replaced.forward).toMatchObject({ kind: 'offer' });
    expect(stateOf(replaced.record, 'second')).toBe('have-local-offer');
    expect(refusal(replaced.record, 'first', candidate('p')).code).toBe('WRONG_STATE');

    const impolite = after(['second', said('offer', 'i')]);
    expect(refusal(impolite, 'first', said('offer', 'p'))).toMatchObject({
      code: 'GLARE',
      message: expect.stringContaining('have-remote-offer') as string,
    });
  });

  test('takes candidates of the generation in force and the one that is offered, and of no other', () => {
    const running = after(['first', said('offer', 'a1')], ['second', said('answer', 'b1')]);
    expect(apply(running, 'first', candidate('a1')).forward).toBeDefined();
    const restarting = apply(running, 'first', said('offer', 'a2')).record;
    for (const ufrag of ['a1', 'a2']) expect(apply(restarting, 'first', candidate(ufrag)).forward).toBeDefined();
    expect(apply(restarting, 'second', candidate('b1')).forward).toBeDefined();
    const restarted = apply(restarting, 'second', said('answer', 'b2')).record;
    expect(apply(restarted, 'first', candidate('a2')).forward).toBeDefined();
    expect(refusal(restarted, 'first', candidate('a1')).message).toMatch(/stable.*generation "a1"/);
    expect(refusal(restarted, 'second', candidate('b1')).code).toBe('WRONG_STATE');
    expect(refusal(restarted, 'second', candidate('a2')).code).toBe('WRONG_STATE');
    expect(refusal(restarted, 'second', { kind: 'end_of_candidates', usernameFragment: 'b1' }).code).toBe(
      'WRONG_STATE',
    );
  });

  test('a description above the limit is refused with the state, one of just the limit is not', () => {
    const fits: NegotiationEvent & { sdp: string } = { kind: 'offer', sdp: 'x'.repeat(maxSdpLength), streams: [] };
    expect(apply(newPair, 'first', fits).forward).toBe(fits);
    expect(refusal(newPair, 'first', { ...fits, sdp: `${fits.sdp}x` })).toMatchObject({
      code: 'SDP_TOO_BIG',
      message: expect.stringContaining('stable') as string,
    });
  });

  test('a description sent again because its reply was lost is not told again; one that was rolled back is', () => {
    const offer = said('offer');
    const offered = after(['first', offer]);
    expect(apply(offered, 'first', offer)).toEqual({ record: offered });
    const answer = said('answer');
    const answered = apply(offered, 'second', answer).record;
    expect(apply(answered, 'first', offer)).toEqual({ record: answered });
    expect(apply(answered, 'second', answer)).toEqual({ record: answered });
    const rolledBack = apply(offered, 'first', { kind: 'rollback' }).record;
    expect(apply(rolledBack, 'first', offer).forward).toBe(offer);
  });

  test('the generations of a description are read as RFC 8839 writes them', () => {
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

describe('whatever two sides say, in whatever order', () => {
  test('each part is accepted or refused with a documented code that names the state; both views mirror each other', () => {
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
          const underWay = record.phase === 'offer' || record.phase === 'pranswer';
          expect(record.offerer !== undefined).toBe(underWay);
          for (const each of ['first', 'second'] as const) {
            const { current, pending } = record[each].ice;
            expect(current.length + pending.length).toBeLessThanOrEqual(2);
            if (!underWay) expect(pending).toEqual([]);
            if (record.phase === 'closed') expect(current).toEqual([]);
          }
          // It survives being written down.
          expect(PairRecord.parse(JSON.parse(JSON.stringify(record)))).toEqual(record);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('two honest clients of perfect negotiation end stable, on the same descriptions, with all candidates known', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(7), { maxLength: 200 }), (choices) => {
        const server = { record: newPair };
        const first = new NegotiatingClient('first', server);
        const second = new NegotiatingClient('second', server);
        first.peer = second;
        second.peer = first;
        // Each number is a thing that happens next: somebody wants to negotiate, or one message gets one step further.
        for (const choice of choices) {
          const client = choice % 2 ? first : second;
          if (choice < 2) client.want();
          else client.step((choice >> 1) - 1);
        }
        for (let left = 10_000; first.busy || second.busy; left--) {
          expect(left).toBeGreaterThan(0);
          for (const client of [first, second]) for (const queue of [0, 1, 2]) client.step(queue);
        }
        expect([first.state, second.state, server.record.phase]).toEqual(['stable', 'stable', 'stable']);
        expect(first.agreed).toBe(second.agreed);
        expect([first.wanted, second.wanted]).toEqual([false, false]);
        expect(first.unexpected).toEqual([]);
        expect(second.unexpected).toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });
});
