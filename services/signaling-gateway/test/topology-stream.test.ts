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

/** A session that watches, and remembers what it was told. */
function watcher(grants: Grant[] = ['admin']) {
  const updates: Update[] = [];
  const hear = (text: string): void => void updates.push((JSON.parse(text) as { payload: Update }).payload);
  const { session, websocket, connection } = recordingSession('ss_a', hear, grants);
  const told = () => {
    const vertices = new Map<string, TopologyVertex>();
    for (const update of updates) applyTopologyUpdate(vertices, update);
    return [...vertices.keys()].toSorted();
  };
  const knows = (...ids: string[]) =>
    waitFor(
      `it knows ${ids.join(', ')}`,
      () => JSON.stringify(told()) === JSON.stringify(ids.toSorted()) || notYet(`it knows ${told().join(', ')}`),
      { everyMs: 1 },
    );
  return { session, websocket, connection, updates, told, knows };
}

const gateway = (id: string): TopologyVertex => ({ kind: 'gateway', id, alive: true, sessions: 0 });

describe('the topology feed', () => {
  let ids: string[];
  let reads: number;
  let underWay: number;
  let mostUnderWay: number;
  let read: () => Promise<void>;
  let feed: TopologyStream;
  let pulse: TopologyVertex[];

  beforeEach(() => {
    ids = ['gw_a', 'gw_b'];
    reads = underWay = mostUnderWay = 0;
    read = async () => undefined;
    pulse = [];
    feed = new TopologyStream(
      {
        topology: async (): Promise<Topology> => {
          reads++;
          mostUnderWay = Math.max(mostUnderWay, ++underWay);
          try {
            await read();
            return { at: Date.now(), vertices: ids.map(gateway), truncated: false };
          } finally {
            underWay--;
          }
        },
        pulse: async () => pulse,
      },
      createLogger({ service: 'test', level: 'error' }),
      { everyMs: 10, pauseMs: 1 },
    );
  });
  afterEach(() => feed.stop());

  const readsMore = (times: number) => {
    const before = reads;
    return waitFor(`${times} more reads`, () => reads >= before + times || notYet(`${reads - before}`), { everyMs: 1 });
  };

  test('tells everything first, then what changed', async () => {
    const { session, updates, knows } = watcher();
    feed.watch(session);
    await knows('gw_a', 'gw_b');
    expect(updates[0]).toMatchObject({ reset: true, removed: [] });
    ids = ['gw_b', 'gw_c'];
    await knows('gw_b', 'gw_c');
    const change = updates.find(({ removed }) => removed.length > 0);
    expect(change).toMatchObject({ reset: false, removed: ['gw_a'], changed: [{ id: 'gw_c' }] });
    expect(updates.filter(({ reset }) => reset)).toHaveLength(1);
  });

  test('tells between two reads of the whole what its pulse says of nodes and migrations', async () => {
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
      { everyMs: 60_000, pauseMs: 1 },
    );
    pulse = [node('nd_a')];
    const { session, updates, knows } = watcher();
    slow.watch(session);
    await knows('gw_a', 'gw_b', 'nd_a');
    pulse = [node('nd_b')];
    await knows('gw_a', 'gw_b', 'nd_b');
    expect(updates.filter(({ reset }) => reset)).toHaveLength(1);
    expect(updates.find(({ removed }) => removed.length > 0)).toMatchObject({
      removed: ['nd_a'],
      changed: [{ id: 'nd_b' }],
    });
    slow.stop();
  });

  test('reads once for all who watch, and stops with the last of them', async () => {
    const [first, second, gone, demoted] = [watcher(), watcher(), watcher(), watcher()];
    for (const { session } of [first, second, gone, demoted]) feed.watch(session);
    await Promise.all([first.knows('gw_a', 'gw_b'), second.knows('gw_a', 'gw_b')]);
    expect(mostUnderWay).toBe(1);
    feed.unwatch(first.session);
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
    feed.watch(late.session);
    await late.knows('gw_a', 'gw_b');
  });

  /** Longer than it takes to read several times. */
  const readsNoMore = () =>
    waitFor('the reads stop', async () => {
      const before = reads;
      await new Promise((resolve) => setTimeout(resolve, 60));
      if (reads !== before) notYet(`${reads - before} in 60 ms`);
    });

  test('a slow read does not overlap the next, and a failed one is made up for', async () => {
    const { session, knows } = watcher();
    read = () => new Promise((resolve) => setTimeout(resolve, 30));
    feed.watch(session);
    await readsMore(3);
    expect(mostUnderWay).toBe(1);
    read = () => Promise.reject(new Error('out of reach'));
    await readsMore(2);
    ids = ['gw_z'];
    read = async () => undefined;
    await knows('gw_z');
  });

  test('who takes it in slowly is not sent more meanwhile, and then what changed since', async () => {
    const [slow, fast] = [watcher(), watcher()];
    ids = Array.from({ length: 1200 }, (_, index) => `gw_${index}`);
    feed.watch(slow.session);
    feed.watch(fast.session);
    await slow.knows(...ids);
    slow.connection.writableLength = 200_000;
    // One update may have been on its way.
    await readsMore(2);
    const had = slow.updates.length;
    for (const id of ['gw_x', 'gw_y']) {
      ids = [id];
      await fast.knows(id);
    }
    expect(slow.updates).toHaveLength(had);
    slow.connection.writableLength = 0;
    await slow.knows('gw_y');
    expect(slow.updates.filter(({ reset }) => reset)).toHaveLength(1);
  });

  test('who asks again is told everything again', async () => {
    const { session, updates, knows } = watcher();
    feed.watch(session);
    await knows('gw_a', 'gw_b');
    feed.watch(session);
    await waitFor('a second reset', () => updates.filter(({ reset }) => reset).length === 2 || notYet('there is none'));
    await knows('gw_a', 'gw_b');
  });
});
