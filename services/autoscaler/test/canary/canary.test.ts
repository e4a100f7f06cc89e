import { MemoryEventLog } from '@flotilla/bus';
import { createLogger } from '@flotilla/runtime';
import { MemoryStore } from '@flotilla/store';
import { nodeReport } from '@flotilla/testkit';
import { beforeEach, describe, expect, test } from 'vitest';
import { Canary } from '../../src/canary/canary.ts';
import { plannedNodes } from '../../src/canary/planned-nodes.ts';
import { canarySettings } from '../../src/canary/settings.ts';
import { plan } from '../../src/index.ts';
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

  const newLeader = (): Canary => new Canary(store.canary, store.history, settings, log, () => now);
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
