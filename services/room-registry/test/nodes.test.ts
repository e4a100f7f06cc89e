import 'reflect-metadata';
import { tokenConfig } from '@flotilla/auth';
import { type NodeState, type SfuCommandType, sfuQueue } from '@flotilla/contracts';
import type { CommandHandlers } from '@flotilla/bus';
import { createLogger, loadConfig, nestLogger } from '@flotilla/runtime';
import { type Fleet, memoryFleet } from '@flotilla/store';
import { nodeReport } from '@flotilla/testkit';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RoomRegistryModule } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'error' });
const key = 'a-key';
let fleet: Fleet;
let url: string;
let stop: () => Promise<void>;

beforeEach(async () => {
  fleet = memoryFleet(log);
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
});
afterEach(() => stop());

const node = (state: NodeState) =>
  nodeReport('nd_a', {
    state,
    rtpCapabilities: { codecs: [] },
    load: { cpu: 0.5, packetsPerSecond: 10, bitsPerSecond: 1000 },
  });

async function ask(method: string, path: string, apiKey = key): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${apiKey}` } });
  return { status: response.status, body: await response.json() };
}

/** A node that does what it is told, and reports it. */
async function serveNode(): Promise<void> {
  const handlers = {
    'sfu.cordon': async ({ state }) => {
      await fleet.store.nodes.report(node(state));
      return { state };
    },
  } satisfies Partial<CommandHandlers<SfuCommandType>>;
  await fleet.bus.serve<'sfu.cordon'>(sfuQueue('nd_a'), 'own', handlers);
  await fleet.store.nodes.report(node('active'));
}

test('the nodes are listed with their load and state, and their orders reach them', async () => {
  expect(await ask('GET', '/v1/nodes')).toEqual({ status: 200, body: { nodes: [] } });
  await serveNode();
  for (const [verb, state] of [
    ['cordon', 'cordoned'],
    ['drain', 'draining'],
    ['uncordon', 'active'],
  ] as const) {
    expect(await ask('POST', `/v1/nodes/nd_a/${verb}`)).toEqual({ status: 200, body: { id: 'nd_a', state } });
    const { rtpCapabilities: _rtpCapabilities, ...summary } = node(state);
    expect(await ask('GET', '/v1/nodes')).toEqual({
      status: 200,
      body: { nodes: [{ ...summary, reserved: 0, alive: true, lastSeenAt: expect.any(Number) as number }] },
    });
  }
});

test('a node that is not there is not found, one that fell silent is unavailable, and a key is asked for', async () => {
  for (const id of ['nd_nobody', 'nonsense'])
    expect(await ask('POST', `/v1/nodes/${id}/drain`)).toMatchObject({
      status: 404,
      body: { error: { code: 'NOT_FOUND' } },
    });
  await fleet.store.nodes.report(node('active'));
  expect(await ask('POST', '/v1/nodes/nd_a/drain')).toMatchObject({
    status: 503,
    body: { error: { code: 'NODE_UNAVAILABLE' } },
  });
  expect(await ask('POST', '/v1/nodes/nd_a/drain', 'another')).toMatchObject({ status: 403 });
  expect(await ask('GET', '/v1/nodes', 'another')).toMatchObject({ status: 403 });
});
