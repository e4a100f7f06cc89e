import type { NodeView, ScalingRecord } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import type { StoredCanary } from '@flotilla/store';
import { nodeReport } from '@flotilla/testkit';
import { describe, expect, test } from 'vitest';
import type { ScalingDecision } from '../src/scaling/decision.ts';
import { ScalingRecords } from '../src/scaling/records.ts';
import type { ScaledNode } from '../src/scaling/scaled-node.ts';
import { type ScaleTarget, Scaler, type ScalerParts } from '../src/scaling/scaler.ts';
import { scalingSettings as settings } from '../src/scaling/settings.ts';

const log = createLogger({ service: 'test', level: 'fatal' });

class Target implements ScaleTarget {
  replicas = 2;
  readonly applied: number[] = [];
  readonly raised: number[] = [];
  heldBack: readonly string[] = [];
  failure: Error | undefined;

  async apply({ nodes }: ScalingDecision, scaled: readonly ScaledNode[]): Promise<void> {
    if (this.failure) throw this.failure;
    this.applied.push(nodes);
    this.heldBack = scaled.filter(({ isHeldBack }) => isHeldBack).map(({ id }) => id);
  }

  async raise(minimum: number): Promise<void> {
    this.raised.push(minimum);
  }
}

function stage() {
  const fleet = { reserved: 0, isFrozen: false, leads: true, reads: 0, isRedisDown: false };
  const list = async (): Promise<NodeView[]> => {
    fleet.reads++;
    if (fleet.isRedisDown) throw new Error('Redis does not answer');
    return [{ ...nodeReport('nd_a', { capacity: 100 }), reserved: fleet.reserved, lastSeenAt: 1, alive: true }];
  };
  const target = new Target();
  const clock = { now: 0 };
  const history: ScalingRecord[] = [];
  const store = {
    isDown: false,
    recordScaling: async (record: ScalingRecord): Promise<void> => {
      if (store.isDown) throw new Error('Redis does not answer');
      history.unshift(record);
    },
    scalings: async () => history,
  };
  const newScaler = (more: Partial<ScalerParts> = {}) =>
    new Scaler({
      ...{ nodes: { list }, settings, target, log, records: new ScalingRecords(store, log) },
      leads: () => fleet.leads,
      isFrozen: () => fleet.isFrozen,
      now: () => clock.now,
      ...more,
    });
  return { fleet, target, clock, history, store, newScaler, scaler: newScaler() };
}

describe('the scaler', () => {
  test('applies a decision and answers with it', async () => {
    const { fleet, target, scaler } = stage();
    expect(scaler.status).toBeUndefined();
    fleet.reserved = 400;
    await scaler.decide();
    expect(target.applied).toEqual([5]);
    expect(scaler.status).toMatchObject({ nodes: 5, cause: 'sessions', sessions: 400, growth: 0, replicas: 2 });
  });

  test('says which nodes the canary holds back, those of excluded versions and those that wait for a decision', async () => {
    const { target, newScaler } = stage();
    const list = async () =>
      ['v1', 'v2', 'v3', 'v4'].map((revision): NodeView => ({
        ...nodeReport(`nd_${revision}`, { capacity: 100, revision }),
        ...{ reserved: 0, lastSeenAt: 1, alive: true },
      }));
    const canary: StoredCanary['canary'] = {
      ...{ stable: 'v1', candidate: 'v2', share: 0.1, excluded: ['v3'], phase: 'observing', since: 1 },
      decision: { at: 1, by: 'nodes', reasons: [] },
      comparisons: [],
    };
    const heldBackIn = async (phase: typeof canary.phase, excluded: readonly string[]) => {
      const read = async () => ({
        canary: { ...canary, phase, excluded: [...excluded] },
        evidence: '',
        order: undefined,
      });
      await newScaler({ nodes: { list }, canary: { read } }).decide();
      return target.heldBack;
    };
    expect(await heldBackIn('observing', ['v3'])).toEqual(['nd_v3', 'nd_v4']);
    expect(await heldBackIn('evacuating', ['v2'])).toEqual(['nd_v2', 'nd_v3', 'nd_v4']);
    // The next plan makes a new version the candidate.
    expect(await heldBackIn('promoted', [])).toEqual([]);
    expect(await heldBackIn('evacuated', ['v2'])).toEqual(['nd_v2']);
    await newScaler({ nodes: { list } }).decide();
    expect(target.heldBack).toEqual([]);
  });

  test('reads the nodes every 5 s while another instance leads, and at once when it leads', async () => {
    const { fleet, clock, scaler } = stage();
    fleet.leads = false;
    for (; clock.now < 10_000; clock.now += 500) await scaler.decide();
    expect(fleet.reads).toBe(2);
    fleet.leads = true;
    for (; clock.now < 11_000; clock.now += 500) await scaler.decide();
    expect(fleet.reads).toBe(4);
  });

  test('decides nothing while heartbeats do not arrive, and does not count sessions that it sees again as growth', async () => {
    const { fleet, target, clock, scaler } = stage();
    await scaler.decide();
    fleet.isFrozen = true;
    fleet.reserved = 400;
    clock.now = 500;
    await scaler.decide();
    expect(target.applied).toEqual([2]);
    fleet.isFrozen = false;
    clock.now = 1000;
    await scaler.decide();
    expect(target.applied).toEqual([2, 5]);
    expect(scaler.status?.growth).toBe(0);
  });

  test('holds the minimum while heartbeats do not arrive, also without Redis', async () => {
    const { fleet, target, scaler } = stage();
    fleet.isFrozen = true;
    fleet.isRedisDown = true;
    await scaler.decide();
    expect(target.raised).toEqual([settings.min]);
    expect(target.applied).toEqual([]);
  });

  test('repeats what failed', async () => {
    const { target, scaler } = stage();
    target.failure = new Error('the API server does not answer');
    await scaler.decide();
    await scaler.decide();
    target.failure = undefined;
    await scaler.decide();
    expect(target.applied).toEqual([2]);
  });

  test('records the decisions that differ from the one before, with their causes', async () => {
    const { fleet, clock, history, scaler } = stage();
    for (; clock.now < 2000; clock.now += 500) await scaler.decide();
    fleet.reserved = 400;
    for (; clock.now < 4000; clock.now += 500) await scaler.decide();
    expect(
      history.map(({ before, nodes, cause, sessions, replicas }) => ({ before, nodes, cause, sessions, replicas })),
    ).toEqual([
      { before: 2, nodes: settings.max, cause: 'maximum', sessions: 400, replicas: 2 },
      { before: undefined, nodes: 2, cause: 'minimum', sessions: 0, replicas: 2 },
    ]);
  });

  test('a new leader does not repeat the last decision, and records none while another one leads', async () => {
    const { fleet, history, scaler, newScaler } = stage();
    await scaler.decide();
    await newScaler().decide();
    fleet.leads = false;
    fleet.reserved = 400;
    await newScaler().decide();
    expect(history).toHaveLength(1);
  });

  test('scales although the decision cannot be recorded, and records it later', async () => {
    const { target, history, store, scaler } = stage();
    store.isDown = true;
    await scaler.decide();
    expect(target.applied).toEqual([2]);
    store.isDown = false;
    await scaler.decide();
    expect(history).toMatchObject([{ nodes: 2, cause: 'minimum' }]);
  });
});
