import type { Canary, Operations } from '@flotilla/contracts';
import { describe, expect, test } from 'vitest';
import { objectives } from '../src/generated/objectives.ts';
import { Order } from '../src/operations/orders.ts';
import {
  burnText,
  durationText,
  objectiveState,
  scalingText,
  valueText,
  versionsOf,
} from '../web/operations/overview/texts.ts';

const objective = { ...objectives.find(({ id }) => id === 'join_success')! };
const bound = { ...objectives.find(({ id }) => id === 'media_loss')! };
const node = (id: string, version: string | undefined, reserved: number): Operations['nodes'][number] => ({
  ...{ kind: 'node', id, alive: true, state: 'active', capacity: 100, reserved, cpu: 0 },
  ...(version !== undefined && { version }),
});
const canary: Canary = {
  ...{ stable: 'v2', previous: 'v1', candidate: 'v3', share: 0.05, phase: 'observing', since: 1, excluded: ['v0'] },
  decision: { at: 1, by: 'nodes', reasons: [] },
  comparisons: [],
};

describe('the operations page', () => {
  test('counts the share of each version and says what the canary has it as', () => {
    const nodes = [node('nd_a', 'v2', 30), node('nd_b', 'v2', 40), node('nd_c', 'v3', 10), node('nd_d', 'v0', 0)];
    expect(versionsOf([...nodes, node('nd_e', undefined, 20)], canary)).toEqual([
      { version: 'none', nodes: 1, sessions: 20, share: 0.2, role: '' },
      { version: 'v0', nodes: 1, sessions: 0, share: 0, role: 'excluded' },
      { version: 'v2', nodes: 2, sessions: 70, share: 0.7, role: 'stable' },
      { version: 'v3', nodes: 1, sessions: 10, share: 0.1, role: 'candidate' },
    ]);
    expect(versionsOf([node('nd_a', 'v1', 0)], undefined)).toMatchObject([{ share: 0, role: '' }]);
  });

  test('an objective is met, burning, above its bound, alerting or without data', () => {
    expect(objectiveState({ ...objective, burn: {} }).text).toBe('no data');
    expect(objectiveState({ ...objective, burn: { '1h': 0.9 } }).text).toBe('met');
    expect(objectiveState({ ...objective, burn: { '1h': 0.9, '3d': 1.1 } }).text).toBe('burning');
    expect(objectiveState({ ...objective, burn: { '1h': 20 }, firing: 'page' })).toEqual({ text: 'page', mark: 'bad' });
    expect(objectiveState({ ...bound, value: 0.05 }).text).toBe('met');
    expect(objectiveState({ ...bound, value: 0.06 }).text).toBe('above');
  });

  test('texts have units', () => {
    expect([0, 89_000, 200_000, 10_000_000, 3 * 86_400_000].map(durationText)).toEqual([
      ...['0 s', '89 s', '3 min', '3 h', '3 d'],
    ]);
    expect([undefined, 0, 0.123, 1.04, 14.4, 1000].map(burnText)).toEqual(['–', '0×', '0.12×', '1×', '14×', '1000×']);
    expect(valueText(0.0512, 'ratio')).toBe('5.12 %');
    expect(valueText(0.15, 's')).toBe('0.15 s');
    expect(valueText(5000, 'count')).toBe('5,000');
    const decision = { at: 1, nodes: 5, cause: 'cpu', sessions: 1, expectedSessions: 1, cpu: 1 } as const;
    expect(scalingText({ ...decision, before: 2 })).toBe('2 → 5 nodes');
    expect(scalingText(decision)).toBe('5 nodes');
  });

  test('orders are those that it has, with nothing else in them', () => {
    for (const order of [
      { kind: 'drain', node: 'nd_a' },
      { kind: 'promote', candidate: 'v2' },
    ])
      expect(Order.safeParse(order).success).toBe(true);
    for (const order of [{ kind: 'drain' }, { kind: 'kill_node', node: 'nd_a' }, { kind: 'reset', node: 'nd_a' }, null])
      expect(Order.safeParse(order).success).toBe(false);
  });
});
