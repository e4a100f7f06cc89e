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

/** What a connection went through. */
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

describe('the lifecycle of a connection', () => {
  test('in whatever order things happen: what it holds is given back once, it ends or waits or moved, and stays closed', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events), { maxLength: 40 }), (sequence) => {
        const { states, effects } = run(sequence);
        const closedAt = states.indexOf('closed');
        const count = (effect: LifecycleEffect) => effects.filter((each) => each === effect).length;
        expect(count('release')).toBe(closedAt === -1 ? 0 : 1);
        expect(count('end') + count('detach')).toBeLessThanOrEqual(1);
        if (closedAt !== -1) {
          expect(states.slice(closedAt).every((state) => state === 'closed')).toBe(true);
          // Who is not replaced either ends or may come back.
          if (sequence[closedAt - 1] !== 'replaced') expect(count('end') + count('detach')).toBe(1);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('every event that closes the WebSocket has a code to say so', () => {
    for (const state of ['handshaking', 'active', 'zombie'] as const)
      for (const event of events)
        if (lifecycleTable[state][event].effects.includes('close')) expect(closings[event], event).toBeDefined();
  });

  test('two heartbeats missed make a zombie, one sign of life wakes it, a third missed ends it and lets it come back', () => {
    expect(run(['request', 'beat', 'beat', 'silent', 'life']).states.slice(-2)).toEqual(['zombie', 'active']);
    expect(run(['request', 'beat', 'beat', 'silent', 'lost'])).toMatchObject({
      states: ['handshaking', 'active', 'active', 'active', 'zombie', 'closed'],
      effects: ['ping', 'ping', 'ping', 'release', 'close', 'detach'],
    });
  });

  test('who asks for nothing is closed; who asked in time is not', () => {
    expect(run(['life', 'beat', 'handshake_late']).states.at(-1)).toBe('closed');
    expect(run(['request', 'handshake_late']).states.at(-1)).toBe('active');
  });
});
