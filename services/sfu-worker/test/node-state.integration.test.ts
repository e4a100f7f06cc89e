import 'reflect-metadata';
import { nodeStream } from '@flotilla/bus';
import { NodeStats, Room, sfuQueue } from '@flotilla/contracts';
import { createLogger, loadConfig, metricsRegistry, nestLogger } from '@flotilla/runtime';
import { memoryBackplane } from '@flotilla/backplane';
import { joinAs, newcomer, notYet, waitFor } from '@flotilla/testkit';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { nodeConfig, SfuWorkerModule } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'error' });
const env = { FLOTILLA_NODE_ID: 'nd_a', FLOTILLA_SFU_WORKERS: '1', FLOTILLA_DRAIN_SECONDS: '0' };
const room = Room.parse({ id: 'rm_a', name: 'a', createdAt: 1, emptyTimeoutSeconds: 300 });

let backplane: ReturnType<typeof memoryBackplane>;
let stop: () => Promise<void>;

beforeEach(async () => {
  backplane = memoryBackplane(log);
  const app = await NestFactory.createApplicationContext(
    SfuWorkerModule.register({ config: loadConfig(nodeConfig, env), backplane, log }),
    { logger: nestLogger(log) },
  );
  stop = () => app.close();
  await backplane.store.rooms.create(room);
});
afterEach(() => stop());

async function join() {
  const { member } = await joinAs(backplane.store, newcomer(room.id));
  return member;
}

test('no member is assigned to a node after it answered that it is cordoned or draining, until it is active again', async () => {
  expect((await join()).nodeId).toBe('nd_a');
  for (const state of ['cordoned', 'draining'] as const) {
    expect(await backplane.bus.call(sfuQueue('nd_a'), 'sfu.cordon', { state })).toEqual({ state });
    expect(await backplane.store.nodes.list()).toMatchObject([{ id: 'nd_a', state }]);
    await expect(join()).rejects.toMatchObject({ code: 'NO_CAPACITY' });
  }
  await backplane.bus.call(sfuQueue('nd_a'), 'sfu.cordon', { state: 'active' });
  expect((await join()).nodeId).toBe('nd_a');
});

test('a node refuses an order of an autoscaler after whom another one has led, and takes those of operators', async () => {
  const order = (state: 'active' | 'cordoned', term?: number) =>
    backplane.bus.call(sfuQueue('nd_a'), 'sfu.cordon', { state, term });
  await order('cordoned', 7);
  await order('active', 8);
  await expect(order('cordoned', 7)).rejects.toMatchObject({ code: 'STALE_TERM' });
  expect(await backplane.store.nodes.list()).toMatchObject([{ id: 'nd_a', state: 'active' }]);
  expect(await order('cordoned')).toEqual({ state: 'cordoned' });
  expect(await order('active', 8)).toEqual({ state: 'active' });
});

test('heartbeats report the state of the node and every peer that has media', async () => {
  const { id: participantId, sessionId } = await join();
  await backplane.bus.call(sfuQueue('nd_a'), 'sfu.cordon', { state: 'cordoned' });
  await backplane.bus.call(sfuQueue('nd_a'), 'sfu.open_session', {
    roomId: room.id,
    sessionId,
    participantId,
    rtpCapabilities: {},
    subscribe: true,
  });
  let offset = await backplane.events.lastOffset(nodeStream);
  const stats = await waitFor('a heartbeat with the peer', async () => {
    const entries = await backplane.events.readAfter(nodeStream, offset, 1);
    if (entries === 'trimmed' || !entries[0]) return notYet('no heartbeat');
    ({ offset } = entries[0]);
    const reported = NodeStats.parse(JSON.parse(entries[0].data));
    return reported.peers.length === 1 ? reported : notYet('it has no peer');
  });
  expect(stats).toMatchObject({
    id: 'nd_a',
    state: 'cordoned',
    peers: [{ sessionId, participantId, roomId: room.id, score: 1, group: 'stable' }],
    load: { sessions: 1, packetsPerSecond: 0, bitsPerSecond: 0, workers: [{ consumers: 0 }] },
  });
  const metrics = await metricsRegistry.metrics();
  expect(metrics).toContain('sfu_peers{node="nd_a",group="stable"} 1');
  expect(metrics).toContain('sfu_peers{node="nd_a",group="move"} 0');
  expect(metrics).toContain('sfu_packets_per_second{node="nd_a"} 0');
});
