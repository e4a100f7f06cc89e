import {
  applyTopologyUpdate,
  type Grant,
  type SignalEventPayload,
  type Topology,
  type TopologyVertex,
} from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TopologyStream } from '../src/topology/topology-stream.ts';
import { recordingSession } from './recording-session.ts';

type Update = SignalEventPayload<'topology_update'>;

/** A session that records the updates it is sent. */
function watcher(grants: Grant[] = ['admin']) {
  const updates: Update[] = [];
  const onText = (text: string): void => void updates.push((JSON.parse(text) as { payload: Update }).payload);
  const { session, websocket, connection } = recordingSession('ss_a', onText, grants);
  const applied = () => {
    const vertices = new Map<string, TopologyVertex>();
    for (const update of updates) applyTopologyUpdate(vertices, update);
    return [...vertices.keys()].toSorted();
  };
  const has = (...ids: string[]) =>
    waitFor(
      `the session has ${ids.join(', ')}`,
      () => JSON.stringify(applied()) === JSON.stringify(ids.toSorted()) || notYet(`it has ${applied().join(', ')}`),
      { everyMs: 1 },
    );
  return { session, websocket, connection, updates, applied, has };
}

const gateway = (id: string): TopologyVertex => ({ kind: 'gateway', id, alive: true, sessions: 0 });

describe('topology stream', () => {
  let ids: string[];
  let reads: number;
  let reading: number;
  let maxReading: number;
  let read: () => Promise<void>;
  let stream: TopologyStream;
  let pulse: TopologyVertex[];

  beforeEach(() => {
    ids = ['gw_a', 'gw_b'];
    reads = reading = maxReading = 0;
    read = async () => undefined;
    pulse = [];
    stream = new TopologyStream(
      {
        topology: async (): Promise<Topology> => {
          reads++;
          maxReading = Math.max(maxReading, ++reading);
          try {
            await read();
            return { at: Date.now(), vertices: ids.map(gateway), truncated: false };
          } finally {
            reading--;
          }
        },
        pulse: async () => pulse,
      },
      createLogger({ service: 'test', level: 'error' }),
      { fullReadMs: 10, pauseMs: 1 },
    );
  });
  afterEach(() => stream.stop());

  const readsMore = (times: number) => {
    const before = reads;
    return waitFor(`${times} more reads`, () => reads >= before + times || notYet(`${reads - before}`), { everyMs: 1 });
  };

  test('sends all of the topology first, then changes', async () => {
    const { session, updates, has } = watcher();
    stream.watch(session);
    await has('gw_a', 'gw_b');
    expect(updates[0]).toMatchObject({ reset: true, removed: [] });
    ids = ['gw_b', 'gw_c'];
    await has('gw_b', 'gw_c');
    const change = updates.find(({ removed }) => removed.length > 0);
    expect(change).toMatchObject({ reset: false, removed: ['gw_a'], changed: [{ id: 'gw_c' }] });
    expect(updates.filter(({ reset }) => reset)).toHaveLength(1);
  });

  test('sends changes of nodes and migrations between two full reads', async () => {
    const node = (id: string): TopologyVertex => ({
      kind: 'node',
      id,
      alive: true,
      state: 'active',
      capacity: 1,
      reserved: 0,
      cpu: 0,
    });
    const slow = new TopologyStream(
      {
        topology: async () => ({ at: 1, vertices: [...ids.map(gateway), node('nd_a')], truncated: false }),
        pulse: async () => pulse,
      },
      createLogger({ service: 'test', level: 'error' }),
      { fullReadMs: 60_000, pauseMs: 1 },
    );
    pulse = [node('nd_a')];
    const { session, updates, has } = watcher();
    slow.watch(session);
    await has('gw_a', 'gw_b', 'nd_a');
    pulse = [node('nd_b')];
    await has('gw_a', 'gw_b', 'nd_b');
    expect(updates.filter(({ reset }) => reset)).toHaveLength(1);
    expect(updates.find(({ removed }) => removed.length > 0)).toMatchObject({
      removed: ['nd_a'],
      changed: [{ id: 'nd_b' }],
    });
    slow.stop();
  });

  test('reads once for all subscribed sessions, and stops after the last of them', async () => {
    const [first, second, gone, demoted] = [watcher(), watcher(), watcher(), watcher()];
    for (const { session } of [first, second, gone, demoted]) stream.watch(session);
    await Promise.all([first.has('gw_a', 'gw_b'), second.has('gw_a', 'gw_b')]);
    expect(maxReading).toBe(1);
    stream.unwatch(first.session);
    const had = first.updates.length;
    gone.websocket.readyState = 3;
    demoted.session.identity = { ...demoted.session.identity, grants: [] };
    await readsMore(2);
    expect(first.updates).toHaveLength(had);
    const hadBeforeDemotion = demoted.updates.length;
    await readsMore(2);
    expect(demoted.updates).toHaveLength(hadBeforeDemotion);

    second.websocket.readyState = 3;
    await readsNoMore();
    const late = watcher();
    stream.watch(late.session);
    await late.has('gw_a', 'gw_b');
  });

  /** Longer than it takes to read several times. */
  const readsNoMore = () =>
    waitFor('the reads stop', async () => {
      const before = reads;
      await new Promise((resolve) => setTimeout(resolve, 60));
      if (reads !== before) notYet(`${reads - before} in 60 ms`);
    });

  test('a slow read does not overlap the next, and a failed one is repeated', async () => {
    const { session, has } = watcher();
    read = () => new Promise((resolve) => setTimeout(resolve, 30));
    stream.watch(session);
    await readsMore(3);
    expect(maxReading).toBe(1);
    read = () => Promise.reject(new Error('out of reach'));
    await readsMore(2);
    ids = ['gw_z'];
    read = async () => undefined;
    await has('gw_z');
  });

  test('a slow session is sent nothing until its backlog is sent, then the changes since', async () => {
    const [slow, fast] = [watcher(), watcher()];
    ids = Array.from({ length: 1200 }, (_, index) => `gw_${index}`);
    stream.watch(slow.session);
    stream.watch(fast.session);
    await slow.has(...ids);
    slow.connection.writableLength = 200_000;
    // One update may be in flight.
    await readsMore(2);
    const had = slow.updates.length;
    for (const id of ['gw_x', 'gw_y']) {
      ids = [id];
      await fast.has(id);
    }
    expect(slow.updates).toHaveLength(had);
    slow.connection.writableLength = 0;
    await slow.has('gw_y');
    expect(slow.updates.filter(({ reset }) => reset)).toHaveLength(1);
  });

  test('a session that subscribes again is sent everything again', async () => {
    const { session, updates, has } = watcher();
    stream.watch(session);
    await has('gw_a', 'gw_b');
    stream.watch(session);
    await waitFor('a second reset', () => updates.filter(({ reset }) => reset).length === 2 || notYet('there is none'));
    await has('gw_a', 'gw_b');
  });
});
