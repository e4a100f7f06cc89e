import type { CommandHandlers } from '@flotilla/bus';
import { type NodeState, type SfuCommandType, sfuQueue } from '@flotilla/contracts';
import type { Backplane } from '@flotilla/backplane';
import { nodeReport } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { startRegistry } from './harness.ts';

const node = (state: NodeState) =>
  nodeReport('nd_a', {
    state,
    rtpCapabilities: { codecs: [] },
    load: { cpu: 0.5, packetsPerSecond: 10, bitsPerSecond: 1000 },
  });

/** Serves a node that takes on the ordered state and reports it. */
async function serveNode(backplane: Backplane): Promise<void> {
  const handlers = {
    'sfu.cordon': async ({ state }) => {
      await backplane.store.nodes.report(node(state));
      return { state };
    },
  } satisfies Partial<CommandHandlers<SfuCommandType>>;
  await backplane.bus.serve<'sfu.cordon'>(sfuQueue('nd_a'), 'exclusive', handlers);
  await backplane.store.nodes.report(node('active'));
}

test('nodes are listed with their load and state, and cordon, drain and uncordon reach them', async () => {
  const { api, backplane } = await startRegistry();
  expect(await api.request('GET', '/v1/nodes')).toEqual({ status: 200, body: { nodes: [] } });
  await serveNode(backplane);
  for (const [verb, state] of [
    ['cordon', 'cordoned'],
    ['drain', 'draining'],
    ['uncordon', 'active'],
  ] as const) {
    expect(await api.request('POST', `/v1/nodes/nd_a/${verb}`)).toEqual({ status: 200, body: { id: 'nd_a', state } });
    const { rtpCapabilities: _rtpCapabilities, ...summary } = node(state);
    expect(await api.request('GET', '/v1/nodes')).toEqual({
      status: 200,
      body: { nodes: [{ ...summary, reserved: 0, alive: true, lastSeenAt: expect.any(Number) as number }] },
    });
  }
});

test('a command for an unknown node gets NOT_FOUND, for a node that does not answer NODE_UNAVAILABLE, and without a known key FORBIDDEN', async () => {
  const { api, stranger, backplane } = await startRegistry();
  for (const id of ['nd_nobody', 'nonsense'])
    expect(await api.request('POST', `/v1/nodes/${id}/drain`)).toMatchObject({
      status: 404,
      body: { error: { code: 'NOT_FOUND' } },
    });
  await backplane.store.nodes.report(node('active'));
  expect(await api.request('POST', '/v1/nodes/nd_a/drain')).toMatchObject({
    status: 503,
    body: { error: { code: 'NODE_UNAVAILABLE' } },
  });
  expect(await stranger.request('POST', '/v1/nodes/nd_a/drain')).toMatchObject({ status: 403 });
  expect(await stranger.request('GET', '/v1/nodes')).toMatchObject({ status: 403 });
});
