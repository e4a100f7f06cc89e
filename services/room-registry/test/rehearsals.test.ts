import 'reflect-metadata';
import { tokenConfig } from '@flotilla/auth';
import { gatewayStream } from '@flotilla/bus';
import { newId, participantIdOf, registryQueue, type SfuCommandType, sfuQueue } from '@flotilla/contracts';
import type { CommandHandlers } from '@flotilla/bus';
import { createLogger, loadConfig, metricsRegistry, nestLogger } from '@flotilla/runtime';
import { type Fleet, memoryFleet } from '@flotilla/store';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RoomRegistryModule } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const key = 'a-key';
let fleet: Fleet;
let url: string;
let stop: () => Promise<void>;
/** What the node was told. */
let told: unknown[];

beforeEach(async () => {
  fleet = memoryFleet(log);
  told = [];
  const config = loadConfig(tokenConfig, { FLOTILLA_TOKEN_SECRET: 's'.repeat(32) });
  const app = await NestFactory.create(
    RoomRegistryModule.register({
      config: { ...config, FLOTILLA_API_KEYS: [key], FLOTILLA_API_OPEN: false, FLOTILLA_RESUME_WINDOW_SECONDS: 30 },
      fleet,
      log,
    }),
    { logger: nestLogger(log) },
  );
  stop = () => app.close();
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
  for (const id of ['nd_a', 'nd_b'])
    await fleet.store.nodes.report({
      id,
      startedAt: 1,
      capacity: 10,
      state: 'active',
      rtpCapabilities: {},
      load: {
        cpu: 0,
        eventLoopDelayMs: 0,
        workers: [],
        sessions: 0,
        producers: 0,
        consumers: 0,
        pipes: 0,
        packetsPerSecond: 0,
        bitsPerSecond: 0,
      },
    });
  const handlers = {
    'sfu.cordon': async (order) => {
      told.push(order);
      return { state: order.state };
    },
    'sfu.kill_worker': async (order) => {
      told.push(order);
      return { worker: order.worker ?? 0 };
    },
    'sfu.kill_node': async () => {
      told.push('die');
      return {};
    },
  } satisfies Partial<CommandHandlers<SfuCommandType>>;
  await fleet.bus.serve<keyof typeof handlers>(sfuQueue('nd_a'), 'own', handlers);
});
afterEach(() => stop());

async function rehearse(body: unknown, apiKey = key): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${url}/v1/rehearsals`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

test('orders to a node reach it, and are counted', async () => {
  const node = 'nd_a';
  expect(await rehearse({ kind: 'drain', node })).toEqual({ status: 202, body: { state: 'draining' } });
  expect(await rehearse({ kind: 'uncordon', node })).toEqual({ status: 202, body: { state: 'active' } });
  expect(await rehearse({ kind: 'kill_worker', node, worker: 1 })).toEqual({ status: 202, body: { worker: 1 } });
  expect(await rehearse({ kind: 'kill_node', node })).toEqual({ status: 202, body: {} });
  expect(told).toEqual([
    { state: 'draining', drainSeconds: 60 },
    { state: 'active', drainSeconds: 60 },
    { worker: 1 },
    'die',
  ]);
  expect(await rehearse({ kind: 'kill_node', node: 'nd_nobody' })).toMatchObject({ status: 404 });
  expect(await rehearse({ kind: 'kill_node', node: 'nd_b' })).toMatchObject({
    status: 503,
    body: { error: { code: 'NODE_UNAVAILABLE' } },
  });
  const metrics = await metricsRegistry.metrics();
  expect(metrics).toContain('registry_rehearsals_total{kind="kill_node",outcome="begun"} 1');
  expect(metrics).toContain('registry_rehearsals_total{kind="kill_node",outcome="NOT_FOUND"} 1');
});

test('a socket is cut by the gateway that has it', async () => {
  const session = newId('session');
  expect(await rehearse({ kind: 'cut_socket', session })).toMatchObject({ status: 404 });
  const claims = { grants: [], bridge: [], expiresAt: Date.now() + 900_000 };
  await fleet.store.sessions.open({ id: session, userId: 'ada', gatewayId: 'gw_far', ...claims }, 'hash');
  expect(await rehearse({ kind: 'cut_socket', session })).toEqual({ status: 202, body: {} });
  const entries = await fleet.events.readAfter(gatewayStream('gw_far'), '0-0', 10);
  expect(entries).toMatchObject([{ data: JSON.stringify({ type: 'cut_socket', sessionId: session }) }]);
});

test('what can not be understood, and who may not ask, is refused', async () => {
  expect(await rehearse({ kind: 'set_fire', node: 'nd_a' })).toMatchObject({ status: 400 });
  expect(await rehearse({ kind: 'drain', node: 'nd_a', room: 'a' })).toMatchObject({ status: 400 });
  expect(await rehearse({ kind: 'kill_node', node: 'nd_a' }, 'another')).toMatchObject({ status: 403 });
  expect(await rehearse({ kind: 'migrate', room: 'nowhere', participant: 'pt_a' })).toMatchObject({
    status: 404,
    body: { error: { code: 'ROOM_NOT_FOUND' } },
  });
  expect(told).toEqual([]);
});

test('a migration that does not come about is remembered as undone', async () => {
  const roomId = 'rm_a';
  await fleet.store.rooms.create({
    id: roomId,
    name: 'a',
    createdAt: 1,
    maxParticipants: 10,
    spread: false,
    peerToPeer: false,
    acceptBridged: false,
    emptyTimeoutSeconds: 0,
  });
  const sessionId = newId('session');
  const participantId = participantIdOf(sessionId);
  const who = { userId: 'u', name: 'U', joinedAt: 1, excludeNodes: ['nd_a'] };
  await fleet.store.rooms.join({ roomId, participantId, sessionId, ...who });
  // Nobody serves the node it is on.
  await expect(
    fleet.bus.call(registryQueue, 'registry.rehearse', {
      rehearsal: { kind: 'migrate', room: roomId, participant: participantId, toNode: 'nd_a' },
      by: 'user:ada',
    }),
  ).rejects.toMatchObject({ code: 'NODE_UNAVAILABLE' });
  expect(await fleet.store.history.recent()).toMatchObject([
    { sessionId, fromNode: 'nd_b', toNode: 'nd_a', reason: 'asked_for', end: 'undone' },
  ]);
});
