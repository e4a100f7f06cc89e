import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  closings,
  type LifecycleEffect,
  type LifecycleEvent,
  type LifecycleState,
  lifecycleTable,
  transition,
} from '../src/sessions/lifecycle-table.ts';

const events = Object.keys(lifecycleTable.active) as LifecycleEvent[];

/** States and effects of a connection that goes through the events. */
function run(sequence: readonly LifecycleEvent[]): { states: LifecycleState[]; effects: LifecycleEffect[] } {
  let state: LifecycleState = 'handshaking';
  const states: LifecycleState[] = [state];
  const effects: LifecycleEffect[] = [];
  for (const event of sequence) {
    const next = transition(state, event);
    state = next.to;
    states.push(state);
    effects.push(...next.effects);
  }
  return { states, effects };
}

describe('lifecycle of a connection', () => {
  test('any order of events releases it once, ends or detaches its session once, and leaves it closed', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events), { maxLength: 40 }), (sequence) => {
        const { states, effects } = run(sequence);
        const closedAt = states.indexOf('closed');
        const count = (effect: LifecycleEffect) => effects.filter((each) => each === effect).length;
        expect(count('release')).toBe(closedAt === -1 ? 0 : 1);
        expect(count('end') + count('detach')).toBeLessThanOrEqual(1);
        if (closedAt !== -1) {
          expect(states.slice(closedAt).every((state) => state === 'closed')).toBe(true);
          // A replaced connection leaves the session to its successor; a revoked session has ended.
          if (!['replaced', 'overtaken', 'revoked'].includes(sequence[closedAt - 1]!))
            expect(count('end') + count('detach')).toBe(1);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('every event that closes the WebSocket has a close code', () => {
    for (const state of ['handshaking', 'active', 'zombie'] as const)
      for (const event of events)
        if (lifecycleTable[state][event].effects.includes('close')) expect(closings[event], event).toBeDefined();
  });

  test('two unanswered pings make it a zombie, a pong makes it active, a third unanswered ping closes and detaches it', () => {
    expect(run(['request', 'ping_due', 'ping_due', 'pong_missed', 'activity']).states.slice(-2)).toEqual([
      'zombie',
      'active',
    ]);
    expect(run(['request', 'ping_due', 'ping_due', 'pong_missed', 'heartbeat_timeout'])).toMatchObject({
      states: ['handshaking', 'active', 'active', 'active', 'zombie', 'closed'],
      effects: ['ping', 'ping', 'ping', 'release', 'close', 'detach'],
    });
  });

  test('the handshake timeout closes it unless a request was received', () => {
    expect(run(['activity', 'ping_due', 'handshake_timeout']).states.at(-1)).toBe('closed');
    expect(run(['request', 'handshake_timeout']).states.at(-1)).toBe('active');
  });
});
