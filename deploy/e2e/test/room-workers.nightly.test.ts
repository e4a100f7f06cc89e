import type { NodeSummary } from '@flotilla/contracts';
import { LightPeer } from '@flotilla/light-peer';
import { notYet, type Topology, waitFor } from '@flotilla/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { standalone } from '../src/index.ts';

/** Subscribers of one publisher, and the load at which the room spreads to the second worker: half of what they make. */
const subscribers = Number(process.env['SUBSCRIBERS'] ?? 60);
const spreadLoad = Math.round((3 * subscribers) / 2);
/** Reports of the node that the figures are means of; it reports twice a second. */
const reports = 30;

let topology: Topology;
beforeAll(async () => {
  topology = await standalone({
    FLOTILLA_SFU_WORKERS: '2',
    FLOTILLA_SFU_SPREAD_LOAD: String(spreadLoad),
    FLOTILLA_SFU_CAPACITY: '1000',
    FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: '2000',
    FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS: '1000',
  });
});
afterAll(() => topology.stop());

async function workersOf(nodeId: string): Promise<NodeSummary['load']['workers']> {
  const { nodes } = (await topology.api.request('GET', '/v1/nodes')).body as { nodes: NodeSummary[] };
  return nodes.find(({ id }) => id === nodeId)!.load.workers;
}

test('one publisher with many subscribers is received by all over two workers, whose CPU is printed', async () => {
  const { api, signalUrls } = topology;
  const room = await api.newRoom('webinar', { maxParticipants: 1000 });
  const join = async (publish?: readonly []): Promise<LightPeer> =>
    LightPeer.join({ url: signalUrls[0]!, token: await api.issueToken(room), room, ...(publish && { publish }) });
  const publisher = await join();
  const audience: LightPeer[] = [];
  for (let index = 0; index < subscribers; index++) audience.push(await join([]));
  await waitFor(
    'audio and video at all',
    () => {
      const missing = audience.filter((peer) => peer.takeReceived().filter(({ packets }) => packets > 20).length < 2);
      if (missing.length > 0) notYet(`${missing.length} of ${subscribers} miss it`);
    },
    { timeoutMs: 60_000 },
  );
  const sums = new Map<number, { cpu: number; consumers: number }>();
  for (let report = 0; report < reports; report++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const { pid, cpu, consumers } of await workersOf(publisher.nodeId))
      sums.set(pid, { cpu: (sums.get(pid)?.cpu ?? 0) + cpu, consumers });
  }
  const sorted = [...sums.values()].toSorted((a, b) => b.cpu - a.cpu);
  expect(sorted.every(({ consumers }) => consumers > 0)).toBe(true);
  for (const [index, { cpu, consumers }] of sorted.entries())
    console.log(
      `${index === 0 ? 'hottest worker' : 'other worker'}: ${((100 * cpu) / reports).toFixed(1)} % of a core, ${consumers} consumers`,
    );
  for (const peer of [publisher, ...audience]) {
    peer.close();
    expect(peer.problems).toEqual([]);
  }
});
