import { MemoryEventLog } from '@flotilla/bus';
import { type Canary as State, FlotillaError } from '@flotilla/contracts';
import { createLogger, metricsRegistry } from '@flotilla/runtime';
import { MemoryStore } from '@flotilla/store';
import { nodeReport } from '@flotilla/testkit';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { Autoscaler } from '../../src/autoscaler.ts';
import { Canary } from '../../src/canary/canary.ts';
import { noEvidence, parseEvidence, withSample } from '../../src/canary/comparison.ts';
import { plannedNodes } from '../../src/canary/planned-nodes.ts';
import { Samples } from '../../src/canary/samples.ts';
import { canarySettings } from '../../src/canary/settings.ts';
import { FleetView } from '../../src/fleet-view.ts';
import { Heartbeats } from '../../src/heartbeats.ts';
import { plan } from '../../src/index.ts';
import { LivenessProbe } from '../../src/liveness-probe.ts';
import { MigrationDispatcher } from '../../src/migration-dispatcher.ts';
import { emptyMemory } from '../../src/planner/state.ts';
import { fleet, node, peers } from '../fleets.ts';

const log = createLogger({ service: 'test', level: 'fatal' });
const settings = { ...canarySettings, share: 0.5, minSamples: 5, sampleMs: 1000, minMs: 0 };
const stepMs = 500;

describe('the canary of a leader', () => {
  let store: MemoryStore;
  let now: number;
  let leader: Canary;
  /** Peers of each node: their session, and the share of packets that they lose. */
  let on: Record<string, Map<string, number>>;
  const revisions: Record<string, string> = { nd_1: 'v1', nd_2: 'v1', nd_3: 'v2' };
  const lost = new Set<string>();
  let sessions = 0;

  const newLeader = (changed: Partial<typeof settings> = {}): Canary =>
    new Canary(store.canary, store.history, { ...settings, ...changed }, log, () => now);
  beforeEach(() => {
    now = 1_000_000;
    store = new MemoryStore(new MemoryEventLog(), () => now);
    leader = newLeader();
    on = { nd_1: new Map(), nd_2: new Map() };
  });

  /** One report of each node and one step of the leader. */
  async function step(term = 1): Promise<void> {
    now += stepMs;
    for (const id of Object.keys(on)) await store.nodes.report(nodeReport(id, { revision: revisions[id]! }));
    const reports = Object.entries(on).map(([id, of]) => ({
      id,
      revision: revisions[id],
      peers: [...of].map(([sessionId, loss]) => ({ roomId: 'rm_a', sessionId, score: 1 - 0.4 * loss, loss })),
    }));
    leader.receive(reports, now);
    const pending = leader.step(await leader.read(now), { nodes: await store.nodes.list(), lost, term, now });
    await leader.write(pending);
  }
  const state = async () => (await store.canary.read())!.canary;
  const evidence = async () => parseEvidence((await store.canary.read())!.evidence);
  const steps = async (count: number, term?: number) => {
    for (let done = 0; done < count; done++) await step(term);
  };
  const join = (id: string, loss = 0) => on[id]!.set(`ss_${++sessions}`, loss);
  async function observe(): Promise<void> {
    await step();
    on['nd_3'] = new Map();
    await step();
    expect(await state()).toMatchObject({ phase: 'observing', stable: 'v1', candidate: 'v2', share: 0.5 });
    await step();
  }

  test('a candidate that loses packets is evacuated, with its figures in the record', async () => {
    await observe();
    for (let count = 0; count < 30 && (await state()).phase === 'observing'; count++) {
      join('nd_1');
      join('nd_3', 0.3);
      await step();
    }
    const { phase, decision, comparisons } = await state();
    expect({ phase, by: decision.by }).toEqual({
      phase: expect.stringMatching(/^evacuat/) as string,
      by: 'comparison',
    });
    const loss = comparisons.find(({ measure }) => measure === 'loss')!;
    expect(loss.worse).toBeGreaterThanOrEqual(settings.confidence);
    expect(loss.candidate.mean).toBe(1);
  });

  test('the next leader continues the comparison, and does not count those who are there again', async () => {
    await observe();
    for (let count = 0; count < 6; count++) {
      join('nd_1');
      join('nd_3');
      await step();
    }
    for (let count = 0; count < 6; count++) await step();
    const samplesOf = async () => (await state()).comparisons.find(({ measure }) => measure === 'quality')!;
    const before = await samplesOf();
    expect(before.candidate.samples).toBe(6);
    leader = newLeader();
    for (let count = 0; count < 8; count++) await step(2);
    expect(await samplesOf()).toEqual(before);
    join('nd_3');
    for (let count = 0; count < 8; count++) await step(2);
    expect((await samplesOf()).candidate.samples).toBe(7);
  });

  test('a migration is one sample: those that began before the observation, or under the previous leader, are not counted again', async () => {
    const migrate = (id: string) =>
      store.history.write({
        ...{ id, roomId: 'rm_a', sessionId: 'ss_m', participantId: 'pt_m', fromNode: 'nd_1', toNode: 'nd_3' },
        ...{ reason: 'manual', step: 'prepared', startedAt: now, end: 'committed', endedAt: now, gapMs: 100 },
      });
    const counted = async () => (await evidence()).gap.candidate.samples;
    migrate('mig_before');
    await observe();
    migrate('mig_during');
    await steps(10);
    expect(await counted()).toBe(1);
    leader = newLeader();
    await steps(10, 2);
    expect(await counted()).toBe(1);
    migrate('mig_after');
    await steps(10, 2);
    expect(await counted()).toBe(2);
  });

  test('a decision that was not written is taken again with the stored evidence', async () => {
    await observe();
    for (let count = 0; count < 6; count++) {
      join('nd_1');
      join('nd_3');
      await step();
    }
    await steps(6);
    await store.canary.order({ kind: 'evacuate', by: 'ada' });
    vi.spyOn(store.canary, 'write').mockRejectedValueOnce(new FlotillaError('UNAVAILABLE'));
    await expect(step()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await state()).toMatchObject({ phase: 'observing' });
    await step();
    expect(await state()).toMatchObject({ phase: 'evacuating', decision: { by: 'operator' } });
    expect((await evidence()).quality.candidate.samples).toBe(6);
  });

  test('an instance that stopped leading collects nothing, and continues the stored comparison in its next term', async () => {
    await observe();
    const retired = leader;
    retired.retire();
    const record = vi.spyOn(Samples.prototype, 'record');
    retired.receive([{ id: 'nd_3', revision: 'v2', peers: [] }], now);
    expect(record).not.toHaveBeenCalled();
    record.mockRestore();
    leader = newLeader();
    await steps(2, 2);
    join('nd_3');
    await steps(8, 2);
    expect((await evidence()).quality.candidate.samples).toBe(1);
    leader = retired;
    // Also in a term that it has had: it only seemed to have ended.
    await steps(2, 1);
    join('nd_3');
    await steps(8, 1);
    expect((await evidence()).quality.candidate.samples).toBe(2);
  });

  test('an instance that stopped leading exports no figures', async () => {
    const series = async () => {
      const names = ['phase', 'share', 'samples', 'mean_cost', 'crashes', 'confidence', 'excluded_versions'];
      const metrics = await Promise.all(
        names.map((name) => metricsRegistry.getSingleMetric(`flotilla_canary_${name}`)!.get()),
      );
      return metrics.flatMap(({ values }) => values.filter(({ value }) => value !== 0).map(({ value }) => value));
    };
    await observe();
    join('nd_1');
    join('nd_3');
    await steps(8);
    expect(await series()).not.toEqual([]);
    leader.retire();
    expect(await series()).toEqual([]);
  });

  test('is retired by an autoscaler that does not lead', async () => {
    const retire = vi.spyOn(leader, 'retire');
    const bus = { call: () => Promise.reject(new FlotillaError('UNAVAILABLE')), mayRetry: () => false };
    const autoscaler = new Autoscaler({
      view: new FleetView(),
      heartbeats: new Heartbeats(now),
      livenessProbe: new LivenessProbe(() => Promise.resolve('alive')),
      leadership: { leads: false, term: undefined },
      dispatcher: new MigrationDispatcher({ bus, mayAct: () => false, onRemoved: () => undefined, log }),
      nodes: store.nodes,
      migrations: store.migrations,
      leaving: () => new Set(),
      canary: leader,
      log,
      now: () => now,
    });
    await autoscaler.check();
    expect(retire).toHaveBeenCalledOnce();
  });

  test('the evidence restarts when the previous stable version becomes the stable one again', async () => {
    const decision: State['decision'] = { at: now, by: 'nodes', reasons: [] };
    const versions = { stable: 'v0', previous: 'v1', candidate: 'v2', share: 0.5, excluded: [] };
    const sample = { side: 'candidate', measure: 'quality', cost: 1 } as const;
    await store.canary.write(
      1,
      { ...versions, phase: 'observing', since: now, decision, comparisons: [] },
      JSON.stringify(withSample(noEvidence, sample, settings.tolerance)),
    );
    leader = newLeader({ absentMs: 2000 });
    on['nd_3'] = new Map();
    await steps(2);
    expect((await evidence()).quality.candidate.samples).toBe(1);
    await steps(4);
    expect(await state()).toMatchObject({ phase: 'observing', stable: 'v1', candidate: 'v2' });
    expect((await evidence()).quality.candidate.samples).toBe(0);
  });

  test('a candidate whose process dies three times is evacuated', async () => {
    await observe();
    for (let start = 2; start < 5; start++) {
      await store.nodes.report(nodeReport('nd_3', { revision: 'v2', startedAt: start }));
      leader.receive([], now);
      now += stepMs;
      const pending = leader.step(await leader.read(now), { nodes: await store.nodes.list(), lost, term: 1, now });
      await leader.write(pending);
    }
    expect(await state()).toMatchObject({ excluded: ['v2'], decision: { by: 'crashes' } });
    expect((await state()).crashes).toMatchObject({ candidate: { crashes: 3 }, stable: { crashes: 0 } });
  });

  test('an order is carried out once', async () => {
    await observe();
    await store.canary.order({ kind: 'promote', by: 'ada' });
    await step();
    expect(await state()).toMatchObject({ stable: 'v2', previous: 'v1', decision: { by: 'operator' } });
    expect((await store.canary.read())?.order).toBeUndefined();
    await step();
    expect(await state()).toMatchObject({ stable: 'v2', phase: 'promoted' });
  });
});

describe('the planner', () => {
  const rules = { stable: 'v1', candidate: 'v2', share: 0.2, excluded: ['v3'] };
  const planOf = (nodes: ReturnType<typeof node>[]) =>
    plan({ ...fleet(...plannedNodes(nodes, rules)), candidateShare: rules.share }, emptyMemory(0), 1000).migrations;

  test('migrates the participants of an excluded version to the stable one, and to no version that waits', () => {
    const migrations = planOf([
      node('nd_1', { revision: 'v1', peers: peers(40) }),
      node('nd_3', { revision: 'v3', peers: peers(5) }),
      node('nd_4', { revision: 'v4' }),
    ]);
    expect(migrations).toHaveLength(5);
    expect(new Set(migrations.map(({ toNode, reason }) => `${toNode} ${reason}`))).toEqual(new Set(['nd_1 drain']));
  });

  test('migrates no more to the observed version than its share', () => {
    const migrations = planOf([
      node('nd_1', { revision: 'v1', cpu: 0.7, peers: peers(20) }),
      node('nd_2', { revision: 'v2', cpu: 0.1, peers: peers(3) }),
      node('nd_3', { revision: 'v1', state: 'draining', peers: peers(7) }),
    ]);
    // 6 of 30 are a fifth.
    expect(migrations.filter(({ toNode }) => toNode === 'nd_2').length).toBeLessThanOrEqual(3);
    expect(migrations.some(({ toNode }) => toNode === 'nd_1')).toBe(true);
  });

  test('moves participants to the observed version beyond its share when nothing else has capacity', () => {
    const migrations = planOf([
      node('nd_1', { revision: 'v1', capacity: 20, peers: peers(20) }),
      node('nd_2', { revision: 'v2', peers: peers(9) }),
      node('nd_3', { revision: 'v1', state: 'draining', peers: peers(3) }),
    ]);
    expect(migrations.map(({ toNode }) => toNode)).toEqual(['nd_2', 'nd_2', 'nd_2']);
  });
});
