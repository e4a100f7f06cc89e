import type { NodeView } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { nodeReport } from '@flotilla/testkit';
import { describe, expect, test } from 'vitest';
import type { ScalingDecision } from '../src/scaling/decision.ts';
import { type ScaleTarget, Scaler } from '../src/scaling/scaler.ts';
import { scalingSettings as settings } from '../src/scaling/settings.ts';

const log = createLogger({ service: 'test', level: 'fatal' });

class Target implements ScaleTarget {
  replicas = 2;
  readonly applied: number[] = [];
  readonly raised: number[] = [];
  failure: Error | undefined;

  async apply({ nodes }: ScalingDecision): Promise<void> {
    if (this.failure) throw this.failure;
    this.applied.push(nodes);
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
  const scaler = new Scaler({
    ...{ nodes: { list }, settings, target, log },
    leads: () => fleet.leads,
    isFrozen: () => fleet.isFrozen,
    now: () => clock.now,
  });
  return { fleet, target, clock, scaler };
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
});
