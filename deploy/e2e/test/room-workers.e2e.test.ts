import type { NodeSummary } from '@flotilla/contracts';
import { LightPeer } from '@flotilla/light-peer';
import { notYet, type RestApi, type Topology, waitFor } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { standalone, type TestFleet } from '../src/index.ts';
import { useOwnFleet } from './use-topology.ts';

/** Two workers a node, each taken for full with one session: rooms spread at once. */
const settings = { FLOTILLA_SFU_WORKERS: '2', FLOTILLA_SFU_SPREAD_LOAD: '1' };
/** Packets of each publication after which it is known to arrive. */
const somePackets = 10;

/** Light peers of one room, and the participants whose media was lost. */
class Call {
  readonly peers: LightPeer[] = [];
  readonly lost = new Set<string>();

  constructor(
    private readonly url: string,
    private readonly api: RestApi,
    readonly room: string,
  ) {}

  async join(count: number): Promise<void> {
    for (let number = 0; number < count; number++) {
      const { url, room } = this;
      const peer = await LightPeer.join({ url, token: await this.api.issueToken(room), room });
      peer.onRoomEvent = ({ type, payload }) => {
        if (type !== 'media_lost') return;
        for (const id of (payload as { participantIds: string[] }).participantIds) this.lost.add(id);
      };
      this.peers.push(peer);
    }
  }

  /** Waits until everybody has received more of everybody's audio and video. */
  async allReceiveAll(): Promise<void> {
    const packetsOf = (peer: LightPeer) =>
      new Map(peer.takeReceived().map(({ publicationId, packets }) => [publicationId, packets]));
    const before = this.peers.map(packetsOf);
    await waitFor(
      'media of all at all',
      () => {
        for (const [index, peer] of this.peers.entries()) {
          const now = packetsOf(peer);
          const arriving = [...now].filter(
            ([id, packets]) => packets >= (before[index]!.get(id) ?? 0) + somePackets,
          ).length;
          const expected = 2 * (this.peers.length - 1);
          if (now.size !== expected || arriving < expected)
            notYet(`${arriving} of ${expected} publications arrive at peer ${index}`);
        }
      },
      { timeoutMs: 40_000 },
    );
  }

  end(): void {
    for (const peer of this.peers) peer.close();
    expect(this.peers.flatMap(({ problems }) => problems)).toEqual([]);
  }
}

async function workersOf(api: RestApi, nodeId: string): Promise<NodeSummary['load']['workers']> {
  const { nodes } = (await api.request('GET', '/v1/nodes')).body as { nodes: NodeSummary[] };
  return nodes.find(({ id }) => id === nodeId)!.load.workers;
}

/** The process id of a worker that has the room, once the node reports that both have. */
const workerWithRoom = (api: RestApi, nodeId: string): Promise<number> =>
  waitFor('the room is on both workers', async () => {
    const workers = await workersOf(api, nodeId);
    if (workers.length !== 2 || workers.some(({ routers }) => routers === 0)) notYet(JSON.stringify(workers));
    return workers[0]!.pid;
  });

describe('a room over the two workers of standalone', () => {
  let topology: Topology;
  beforeAll(async () => {
    topology = await standalone(settings);
  });
  afterAll(() => topology.stop());

  test('all receive all, and after one of the workers was killed, which costs only those on it', async () => {
    const { api } = topology;
    const call = new Call(topology.signalUrls[0]!, api, await api.newRoom('workers'));
    await call.join(6);
    await call.allReceiveAll();
    process.kill(await workerWithRoom(api, call.peers[0]!.nodeId), 'SIGKILL');
    await waitFor('media_lost', () => call.lost.size > 0 || notYet('no event'));
    await call.allReceiveAll();
    expect(call.lost.size).toBeLessThan(call.peers.length);
    call.end();
  });
});

describe('a room over the workers of two nodes', () => {
  let fleet: TestFleet;
  useOwnFleet(
    'room-workers',
    () => ({ sfuNodes: 2, gateways: 1, env: settings }),
    (it) => (fleet = it),
  );

  test('all receive all after migrations from one node to the other, and after a worker there was killed', async () => {
    const { api } = fleet;
    const room = await api.newRoom('workers');
    const call = new Call(fleet.gatewayUrls[0]!, api, room);
    await call.join(5);
    await call.allReceiveAll();
    const toNode = call.peers[0]!.nodeId === 'nd_1' ? 'nd_2' : 'nd_1';
    const migrated = call.peers.filter(({ nodeId }) => nodeId !== toNode).slice(0, 3);
    await Promise.all(
      migrated.map(({ participantId }) =>
        api.request('POST', `/v1/rooms/${room}/participants/${participantId}/migrate`, { toNode }),
      ),
    );
    await waitFor('the migrations', () => {
      for (const { moves, nodeId } of migrated) if (nodeId !== toNode) notYet(`on ${nodeId}: ${JSON.stringify(moves)}`);
    });
    await call.allReceiveAll();
    // Both ends of the pipes between the nodes are on one worker of each: whichever it is, one of these two is.
    process.kill(await workerWithRoom(api, toNode), 'SIGKILL');
    await waitFor('media_lost', () => call.lost.size > 0 || notYet('no event'));
    await call.allReceiveAll();
    expect(call.lost.size).toBeLessThan(call.peers.length);
    call.end();
  });
});
