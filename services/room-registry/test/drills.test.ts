import { gatewayStream } from '@flotilla/bus';
import { newId, registryQueue, type SfuCommandType, sfuQueue } from '@flotilla/contracts';
import type { CommandHandlers } from '@flotilla/bus';
import { metricsRegistry } from '@flotilla/runtime';
import type { Backplane } from '@flotilla/backplane';
import { joinAs, newcomer, nodeReport, roomRecord } from '@flotilla/testkit';
import { beforeEach, expect, test } from 'vitest';
import { startRegistry } from './harness.ts';

let registry: Awaited<ReturnType<typeof startRegistry>>;
let backplane: Backplane;
/** The commands that the node received. */
let received: unknown[];

beforeEach(async () => {
  registry = await startRegistry();
  ({ backplane } = registry);
  received = [];
  for (const id of ['nd_a', 'nd_b']) await backplane.store.nodes.report(nodeReport(id));
  const handlers = {
    'sfu.cordon': async (order) => {
      received.push(order);
      return { state: order.state };
    },
    'sfu.kill_worker': async (order) => {
      received.push(order);
      return { worker: order.worker ?? 0 };
    },
    'sfu.kill_node': async () => {
      received.push('kill_node');
      return {};
    },
  } satisfies Partial<CommandHandlers<SfuCommandType>>;
  await backplane.bus.serve<keyof typeof handlers>(sfuQueue('nd_a'), 'exclusive', handlers);
});

const drill = (body: unknown, api = registry.api): Promise<{ status: number; body: unknown }> =>
  api.request('POST', '/v1/drills', body);

test('drills of a node are sent to it and counted', async () => {
  const node = 'nd_a';
  expect(await drill({ kind: 'drain', node })).toEqual({ status: 202, body: { state: 'draining' } });
  expect(await drill({ kind: 'uncordon', node })).toEqual({ status: 202, body: { state: 'active' } });
  expect(await drill({ kind: 'kill_worker', node, worker: 1 })).toEqual({ status: 202, body: { worker: 1 } });
  expect(await drill({ kind: 'kill_node', node })).toEqual({ status: 202, body: {} });
  expect(received).toEqual([
    { state: 'draining', drainSeconds: 60 },
    { state: 'active', drainSeconds: 60 },
    { worker: 1 },
    'kill_node',
  ]);
  expect(await drill({ kind: 'kill_node', node: 'nd_nobody' })).toMatchObject({ status: 404 });
  expect(await drill({ kind: 'kill_node', node: 'nd_b' })).toMatchObject({
    status: 503,
    body: { error: { code: 'NODE_UNAVAILABLE' } },
  });
  const metrics = await metricsRegistry.metrics();
  expect(metrics).toContain('registry_drills_total{kind="kill_node",outcome="begun"} 1');
  expect(metrics).toContain('registry_drills_total{kind="kill_node",outcome="NOT_FOUND"} 1');
});

test('the drill cut_socket is sent to the gateway of the session', async () => {
  const session = newId('session');
  expect(await drill({ kind: 'cut_socket', session })).toMatchObject({ status: 404 });
  const claims = { grants: [], bridge: [], expiresAt: Date.now() + 900_000 };
  await backplane.store.sessions.open({ id: session, userId: 'ada', gatewayId: 'gw_far', ...claims }, 'hash');
  expect(await drill({ kind: 'cut_socket', session })).toEqual({ status: 202, body: {} });
  const entries = await backplane.events.readAfter(gatewayStream('gw_far'), '0-0', 10);
  expect(entries).toMatchObject([{ data: JSON.stringify({ type: 'cut_socket', sessionId: session }) }]);
});

test('a malformed drill, an unknown room and a request without a known key are refused', async () => {
  expect(await drill({ kind: 'set_fire', node: 'nd_a' })).toMatchObject({ status: 400 });
  expect(await drill({ kind: 'drain', node: 'nd_a', room: 'a' })).toMatchObject({ status: 400 });
  expect(await drill({ kind: 'kill_node', node: 'nd_a' }, registry.stranger)).toMatchObject({ status: 403 });
  expect(await drill({ kind: 'migrate', room: 'nowhere', participant: 'pt_a' })).toMatchObject({
    status: 404,
    body: { error: { code: 'ROOM_NOT_FOUND' } },
  });
  expect(received).toEqual([]);
});

test('a migration whose new node does not answer is listed as rolled back', async () => {
  const roomId = 'rm_a';
  await backplane.store.rooms.create(roomRecord('a'));
  const who = newcomer(roomId, undefined, ['nd_b']);
  await joinAs(backplane.store, who);
  // No process serves the new node.
  await expect(
    backplane.bus.call(registryQueue, 'registry.drill', {
      drill: { kind: 'migrate', room: roomId, participant: who.participantId, toNode: 'nd_b' },
      by: 'user:ada',
    }),
  ).rejects.toMatchObject({ code: 'NODE_UNAVAILABLE' });
  expect(await backplane.store.history.recent()).toMatchObject([
    { sessionId: who.sessionId, fromNode: 'nd_a', toNode: 'nd_b', reason: 'manual', end: 'rolled_back' },
  ]);
});
