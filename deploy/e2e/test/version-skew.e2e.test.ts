import { fileURLToPath } from 'node:url';
import { NodeList, Topology as FleetGraph, TopologyUpdate } from '@flotilla/contracts';
import { LightPeer } from '@flotilla/light-peer';
import { notYet, RawClient, RestApi, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { asTopology, type TestFleet } from '../src/index.ts';
import { callBehindBalancer } from './call-behind-balancer.ts';
import { metadataScenarios } from './scenarios/metadata.ts';
import { peerScenarios } from './scenarios/peers.ts';
import { routingScenarios } from './scenarios/routing.ts';
import { metricsOf, useBrowser, useOwnFleet } from './use-topology.ts';

const nextVersion = ['--import', fileURLToPath(new URL('../src/next-version.ts', import.meta.url))];

/** What the next version adds, see next-version.ts. */
const news = 'news';
const roomGrants = ['publish', 'subscribe', 'data'];

/** The processes that run the next version: at first every second one. */
const next = new Set(['registry-2', 'gateway-2', 'autoscaler-2', 'nd_2', 'rl_2']);

/** Each process of the fleet, in an order in which an update may replace them. */
const rollout = ['nd_', 'rl_', 'registry-', 'autoscaler-', 'gateway-'].flatMap((kind) => [`${kind}1`, `${kind}2`]);

interface Joined {
  readonly raw: RawClient;
  readonly id: string;
  /** The grants of each participant in the reply to `join`. */
  readonly grants: ReadonlyMap<string, readonly string[]>;
}

describe('a fleet of two versions', { timeout: 360_000 }, () => {
  let fleet: TestFleet;
  let browser: Browser;
  /** The REST API of this version, and that of the next one. */
  let api: RestApi;
  let nextApi: RestApi;
  useOwnFleet(
    'skew',
    () => ({
      sfuNodes: 2,
      gateways: 2,
      registries: 2,
      autoscalers: 2,
      relays: 2,
      env: { FLOTILLA_RESUME_WINDOW_SECONDS: '15', FLOTILLA_DRAIN_SECONDS: '6' },
      sfuEnv: () => ({ FLOTILLA_DRAIN_SECONDS: '60', FLOTILLA_SHUTDOWN_SECONDS: '65' }),
      nodeFlags: (name) => (next.has(name) ? nextVersion : []),
    }),
    (it) => {
      fleet = it;
      [api, nextApi] = it.registryUrls.map((url) => new RestApi(url, it.apiKey)) as [RestApi, RestApi];
    },
  );
  useBrowser((it) => (browser = it));

  /** A client on the gateway of a version, with a token that the registry of the next version issued. */
  async function joined(room: string, gateway: 0 | 1): Promise<Joined> {
    const token = await nextApi.issueToken(room, { grants: [...roomGrants, news] as never });
    const raw = await RawClient.connect(fleet.gatewayUrls[gateway]!, { token });
    await raw.welcome();
    const reply = await raw.request('join', { room });
    expect(reply).toMatchObject({ ok: true });
    const { participantId, snapshot } = reply.payload as {
      participantId: string;
      snapshot: { participants: { id: string; grants: string[] }[] };
    };
    return { raw, id: participantId, grants: new Map(snapshot.participants.map(({ id, grants }) => [id, grants])) };
  }

  /** Two peers that send and receive audio and video: one on the gateway of each version. */
  async function callOfTwo(room: string): Promise<[LightPeer, LightPeer]> {
    const peers: LightPeer[] = [];
    onTestFinished(() => peers.forEach((peer) => peer.close()));
    for (const url of fleet.gatewayUrls)
      peers.push(await LightPeer.join({ url, token: await api.issueToken(room), room }));
    return peers as [LightPeer, LightPeer];
  }

  /** Waits until each of two peers has received ten more packets of each stream of the other. */
  async function flows(peers: readonly LightPeer[]): Promise<void> {
    const packetsOf = (peer: LightPeer): Map<string, number> =>
      new Map(peer.takeReceived().map(({ publicationId, packets }) => [publicationId, packets]));
    const before = peers.map(packetsOf);
    await waitFor(
      'each receives audio and video of the other',
      () => {
        for (const [index, peer] of peers.entries()) {
          const received = [...packetsOf(peer)].filter(
            ([id, packets]) => packets >= (before[index]!.get(id) ?? 0) + 10,
          );
          if (received.length !== 2) notYet(`${received.length} streams arrive; problems: ${peer.problems.join('; ')}`);
        }
      },
      { timeoutMs: 20_000 },
    );
  }

  const nodesOf = async (of: RestApi): Promise<Map<string, string>> => {
    const { nodes } = NodeList.parse((await of.request('GET', '/v1/nodes')).body);
    return new Map(nodes.map(({ id, state }) => [id, state]));
  };
  const graphOf = async (of: RestApi): Promise<{ kinds: unknown[]; vertices: FleetGraph['vertices'] }> => {
    const { status, body } = await of.request('GET', '/v1/topology');
    expect(status).toBe(200);
    const { vertices } = body as { vertices: { kind: unknown }[] };
    return { kinds: [...new Set(vertices.map(({ kind }) => kind))], vertices: FleetGraph.parse(body).vertices };
  };
  const count = async (name: string, metric: string): Promise<number> => {
    const line = (await metricsOf(fleet, name)).split('\n').find((each) => each.startsWith(metric));
    return Number(line?.split(' ').at(-1) ?? 0);
  };

  test('participants with a new grant see each other, through gateways of both versions, and exchange messages', async () => {
    const room = await api.newRoom('mixed');
    const [ada, bob] = [await joined(room, 0), await joined(room, 1)];
    const cleo = await joined(room, 0);
    expect([...cleo.grants.values()]).toEqual([roomGrants, roomGrants, roomGrants]);
    // A participant that joined through a gateway of this version does not have the new grant.
    const { grants } = await joined(room, 1);
    expect([ada, bob, cleo].map(({ id }) => grants.get(id))).toEqual([roomGrants, [...roomGrants, news], roomGrants]);
    for (const [each, other] of [
      [ada, bob],
      [bob, cleo],
    ] as const)
      await each.raw.event(
        'participant_joined',
        ({ payload }) => (payload['participant'] as { id: string }).id === other.id,
      );
    for (const { raw } of [ada, bob])
      expect(await raw.request('message', { data: raw === ada.raw }, `room:${room}`)).toMatchObject({ ok: true });
    for (const { raw } of [ada, bob, cleo])
      for (const data of [true, false]) await raw.event('message', ({ payload }) => payload['data'] === data);
    expect(bob.raw.events.some(({ type }) => type === news)).toBe(true);
    expect(ada.raw.events.some(({ type }) => type === news)).toBe(false);
    RawClient.closeAll();
  });

  test.each([...peerScenarios, ...metadataScenarios, ...routingScenarios])('$title', ({ run }) =>
    run(asTopology(fleet)),
  );

  test('a participant is migrated to a node of the next version and back, by registries of both', async () => {
    const room = await api.newRoom('moving', { spread: true });
    const peers = await callOfTwo(room);
    await flows(peers);
    const [ada] = peers;
    const home = ada.nodeId;
    for (const [index, by] of [api, nextApi, nextApi, api].entries()) {
      const path = `/v1/rooms/${room}/participants/${ada.participantId}/migrate`;
      expect(await by.request('POST', path, {})).toMatchObject({ status: 202 });
      await waitFor(
        'ada is on the other node',
        () => ada.moves.length > index || notYet(`its problems: ${ada.problems.join('; ')}`),
      );
      expect(ada.nodeId === home).toBe(index % 2 === 1);
      await flows(peers);
    }
    expect(ada.moves.filter(({ error }) => error)).toEqual([]);
    expect(peers.flatMap(({ problems }) => problems)).toEqual([]);
    const reasonsAt = async (of: RestApi): Promise<unknown[]> => {
      const { body } = await of.request('GET', '/v1/topology');
      const { vertices } = body as {
        vertices: { kind: string; participantId?: string; reason?: string; end?: string }[];
      };
      return vertices
        .flatMap((each) =>
          each.kind === 'migration' && each.participantId === ada.participantId ? [`${each.reason} ${each.end}`] : [],
        )
        .toSorted();
    };
    expect(await reasonsAt(api)).toEqual(Array.from({ length: 4 }, () => 'manual committed'));
    const [known, added] = ['manual committed', `${news} committed`];
    expect(await reasonsAt(nextApi)).toEqual([known, known, added, added]);
  });

  test('a node in a new state is listed as cordoned, keeps its participants and gets no others', async () => {
    const room = await api.newRoom('states', { spread: true });
    const peers = await callOfTwo(room);
    await flows(peers);
    expect(new Set(peers.map(({ nodeId }) => nodeId)).size).toBe(2);
    expect(await nextApi.request('POST', '/v1/nodes/nd_2/cordon')).toMatchObject({ status: 200 });
    expect(Object.fromEntries(await nodesOf(api))).toEqual({ nd_1: 'active', nd_2: 'cordoned' });
    expect((await nextApi.request('GET', '/v1/nodes')).body).toMatchObject({
      nodes: expect.arrayContaining([expect.objectContaining({ id: 'nd_2', state: news })]) as unknown,
    });
    for (const url of fleet.gatewayUrls) {
      const peer = await LightPeer.join({ url, token: await api.issueToken(room), room, publish: [] });
      expect(peer.nodeId).toBe('nd_1');
      peer.close();
    }
    await flows(peers);
    expect(await api.request('POST', '/v1/nodes/nd_2/uncordon')).toMatchObject({ status: 200 });
    expect(Object.fromEntries(await nodesOf(api))).toEqual({ nd_1: 'active', nd_2: 'active' });
  });

  test('a command that a node does not know is answered UNKNOWN_TYPE, and its caller falls back', async () => {
    const answered = (outcome: string): Promise<number> =>
      count('registry-2', `flotilla_commands_total{type="sfu.${news}",role="caller",outcome="${outcome}"}`);
    const before = [await answered('ok'), await answered('UNKNOWN_TYPE')];
    for (const node of ['nd_1', 'nd_2'])
      expect(await nextApi.request('POST', `/v1/nodes/${node}/uncordon`)).toMatchObject({ status: 200 });
    expect([await answered('ok'), await answered('UNKNOWN_TYPE')]).toEqual(before.map((each) => each + 1));
  });

  test('the topology, watched and over REST, has all vertices of both versions', async () => {
    const room = await api.newRoom('drawn');
    const sessions = [await joined(room, 0), await joined(room, 1)].map(({ id }) => id.replace('pt_', 'ss_'));
    const expected = ['nd_1', 'nd_2', ...sessions];
    const idsIn = (vertices: readonly { readonly id: string }[]): string[] => vertices.map(({ id }) => id);
    for (const url of fleet.gatewayUrls) {
      const raw = await RawClient.connect(url, { token: await api.issueFleetToken({ grants: ['admin'] }) });
      expect(await raw.request('watch_topology')).toMatchObject({ ok: true });
      await waitFor('an update with all of them', () => {
        const updates = raw.events.filter(({ type }) => type === 'topology_update');
        const seen = new Set(updates.flatMap(({ payload }) => idsIn(TopologyUpdate.parse(payload).changed)));
        const missing = expected.filter((id) => !seen.has(id));
        if (missing.length > 0) notYet(`these are missing: ${missing.join(', ')}`);
      });
    }
    for (const of of [api, nextApi]) {
      const { kinds, vertices } = await graphOf(of);
      expect(kinds.includes(news)).toBe(of === nextApi);
      expect(idsIn(vertices)).toEqual(expect.arrayContaining(expected));
      expect(vertices.filter(({ kind }) => kind === 'gateway')).toHaveLength(2);
      expect((await of.request('GET', '/v1/topology?format=mermaid')).status).toBe(200);
    }
    RawClient.closeAll();
  });

  test('sweeps come to their end on registries of both versions, without a failure', async () => {
    for (const name of ['registry-1', 'registry-2']) {
      const before = await count(name, 'registry_sweeps_total');
      await waitFor(
        `a sweep of ${name} ends`,
        async () => (await count(name, 'registry_sweeps_total')) > before || notYet('none has'),
      );
      expect(
        (await metricsOf(fleet, name)).split('\n').filter((line) => line.startsWith('registry_sweep_failures_total{')),
      ).toEqual([]);
    }
  });

  test('a call continues while each process is replaced by the next version, and while the update is rolled back', async () => {
    const { ada, bob, before, toGateway, mediaFlows } = await callBehindBalancer(browser, fleet, 'rolling');
    const calls = [ada, bob];
    await bob.collectMessages();
    for (const call of calls) await call.watchFrames();

    const replace = async (name: string, isNext: boolean): Promise<void> => {
      if (name.startsWith('gateway-')) toGateway(Number(name === 'gateway-1'));
      expect(await fleet.processes.get(name)!.stop('SIGTERM', 90_000)).toBe(0);
      if (isNext) next.add(name);
      else next.delete(name);
      await fleet.startAgain(name);
      await fleet.store.allReport();
      await mediaFlows();
      await ada.send(`${name} ${isNext}`);
    };
    const sent: string[] = [];
    for (const isNext of [true, false])
      for (const name of rollout) {
        if (isNext && next.has(name)) continue;
        await replace(name, isNext);
        sent.push(`${name} ${isNext}`);
        await waitFor(`the message after ${sent.at(-1)}`, async () => {
          const received = await bob.messages();
          if (JSON.stringify(received) !== JSON.stringify(sent)) notYet(`received: ${JSON.stringify(received)}`);
        });
      }
    const identities = (rooms: typeof before) => rooms.map(({ id, me }) => ({ id, me }));
    expect(identities([await ada.room(), await bob.room()])).toEqual(identities(before));
    const gaps = (await Promise.all(calls.map((call) => call.takeFrameGaps()))).flat();
    console.log(
      `${sent.length} processes replaced; longest gap between two frames: ${Math.round(Math.max(...gaps.map(({ longest }) => longest)))} ms`,
    );
    expect(calls.flatMap(({ problems }) => problems)).toEqual([]);
  });
});
