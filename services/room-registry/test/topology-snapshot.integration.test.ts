import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Topology } from '@flotilla/contracts';
import { Child } from '@flotilla/processes';
import { createLogger, metricsRegistry } from '@flotilla/runtime';
import { RedisStore, type Store } from '@flotilla/store';
import { nodeReport, notYet, roomRecord, testBrokers, uniqueName, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TopologySnapshot } from '../src/topology/topology-snapshot.ts';

const log = createLogger({ service: 'test', level: 'error' });
const entry = fileURLToPath(new URL('./unfinished-builder.ts', import.meta.url));

describe('the snapshot of the topology over Redis', () => {
  let namespace: string;
  const stores: RedisStore[] = [];
  let building = 0;
  let mostBuilding = 0;
  let builds = 0;
  let whileBuilding = (): void => undefined;

  /** A registry's part of the snapshot, with a connection of its own. A build takes 100 ms longer than its reads. */
  const instance = async (times: ConstructorParameters<typeof TopologySnapshot>[2] = {}): Promise<TopologySnapshot> => {
    const store = await RedisStore.connect({ url: testBrokers().redisUrl, namespace, log });
    stores.push(store);
    const topology = async (): Promise<Topology> => {
      builds++;
      mostBuilding = Math.max(mostBuilding, ++building);
      whileBuilding();
      await delay(100);
      return store.topology().finally(() => building--);
    };
    const parts: Pick<Store, 'topology' | 'snapshots'> = {
      topology,
      snapshots: store.snapshots,
    };
    return new TopologySnapshot(parts, log, times);
  };
  const roomsIn = (text: string): string[] =>
    Topology.parse(JSON.parse(text)).vertices.flatMap((vertex) => (vertex.kind === 'room' ? [vertex.id] : []));
  const readsByResult = async (): Promise<Map<string, number>> => {
    const metric = await metricsRegistry.getSingleMetric('flotilla_snapshot_reads_total')!.get();
    return new Map(metric.values.map(({ labels, value }) => [String(labels['result']), value]));
  };

  beforeEach(() => {
    namespace = uniqueName('t');
    building = mostBuilding = builds = 0;
    whileBuilding = () => undefined;
  });
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
  });

  test('is built by one of four instances at a time, and at least 93.7 % of the reads of 200 watchers are served at once', async () => {
    const instances = await Promise.all(Array.from({ length: 4 }, () => instance()));
    for (const node of ['nd_a', 'nd_b']) await stores[0]!.nodes.report(nodeReport(node));
    for (let room = 0; room < 50; room++) await stores[0]!.rooms.create(roomRecord(`r${room}`));
    const before = await readsByResult();
    let reads = 0;
    let oldestMs = 0;
    // Each watcher begins at a time of its own, and reads twice a second.
    const watch = async (index: number): Promise<void> => {
      await delay(index * 5);
      for (let read = 0; read < 10; read++) {
        const { text, ageMs, stale } = await instances[index % instances.length]!.read('ada');
        expect(stale).toBe(false);
        expect(text.length).toBeGreaterThan(1000);
        oldestMs = Math.max(oldestMs, ageMs);
        reads++;
        await delay(500);
      }
    };
    await Promise.all(Array.from({ length: 200 }, (_, index) => watch(index)));
    const after = await readsByResult();
    const count = (result: string): number => (after.get(result) ?? 0) - (before.get(result) ?? 0);
    const share = count('hit') / reads;
    console.log(
      `[snapshot] ${reads} reads of 200 watchers at 4 instances: ${(share * 100).toFixed(2)} % served at once, ` +
        `${builds} builds, oldest ${Math.round(oldestMs)} ms`,
    );
    expect(reads).toBe(2000);
    expect(mostBuilding).toBe(1);
    expect(share).toBeGreaterThan(0.937);
    expect(count('stale') + count('failed')).toBe(0);
  });

  test('is built by another instance once the lock of a killed builder has expired', async () => {
    const lockMs = 2000;
    const builder = new Child('builder', process.execPath, [entry, testBrokers().redisUrl, namespace, String(lockMs)]);
    await builder.line(/^building$/);
    const registry = await instance({ lockMs });
    const began = performance.now();
    const reading = registry.read('ada');
    // It renews its lock while it lives.
    await delay(1.5 * lockMs);
    expect(builds).toBe(0);
    await builder.stop('SIGKILL');
    expect((await reading).stale).toBe(false);
    expect(builds).toBe(1);
    expect(performance.now() - began).toBeGreaterThan(1.5 * lockMs);
  });

  test('is served as it was while another instance builds the next one', async () => {
    const [first, second] = [await instance({ freshMs: 0 }), await instance({ freshMs: 0, maxAgeMs: 60_000 })];
    await second.read('ada');
    await stores[0]!.rooms.create(roomRecord('new'));
    const building = first.read('ada');
    expect(roomsIn((await second.read('ada')).text)).toEqual([]);
    await building;
    await waitFor('the second has it', async () => {
      if (roomsIn((await second.read('ada')).text).length === 0) notYet('it is being loaded');
    });
    expect(mostBuilding).toBe(1);
  });

  test('is served while the same instance changes something during every build', async () => {
    const registry = await instance();
    await registry.read('ada');
    whileBuilding = () => registry.changed('ada');
    registry.changed('ada');
    builds = 0;
    expect((await registry.read('ada')).stale).toBe(false);
    expect(builds).toBe(1);
  });

  test('has what the same client has changed at the same instance since, while others are served at once', async () => {
    const [first, second] = [await instance(), await instance()];
    await first.read('ada');
    await second.read('ada');
    await stores[0]!.rooms.create(roomRecord('a'));
    first.changed('ada');
    expect(roomsIn((await first.read('bob')).text)).toEqual([]);
    expect(roomsIn((await first.read('ada')).text)).toEqual(['rm_a']);
    expect(roomsIn((await second.read('ada')).text)).toEqual([]);
    expect(roomsIn((await first.read('bob')).text)).toEqual(['rm_a']);
    second.changed('ada');
    const both = await Promise.all([second.read('ada'), second.read('ada'), second.mermaid('ada')]);
    expect(roomsIn(both[0].text)).toEqual(['rm_a']);
    expect(both[2].text).toContain('a<br/>0 participants');
  });
});
