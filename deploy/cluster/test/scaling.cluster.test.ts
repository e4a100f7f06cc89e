import { setTimeout as pause } from 'node:timers/promises';
import { gatewayUrlOf, get, install, kubectl, namespace, pods } from '@flotilla/cluster';
import { FlotillaError } from '@flotilla/contracts';
import { endTransports, LightPeer } from '@flotilla/light-peer';
import { notYet, type RestApi, waitFor } from '@flotilla/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Call } from './call.ts';
import { Figures } from './figures.ts';
import { machineOfPod, restApi, settled, sfuNodes } from './fleet.ts';

/** Small pods, of which two browsers and the first peers need one and three times as many need all. */
const scaling = {
  'sfu.capacity': 10,
  'sfu.autoscaling.enabled': true,
  'sfu.autoscaling.watchNodes': true,
  'sfu.autoscaling.minReplicas': 1,
  'sfu.autoscaling.maxReplicas': 3,
  'sfu.autoscaling.headroomSessions': 2,
  'sfu.autoscaling.scaleInSeconds': 20,
  // The machine runs browsers and other tests too.
  'sfu.autoscaling.cpuPercent': 100,
};
const firstPeers = 4;
const burst = 12;
const peersOfRoom = 4;
const retryMs = 200;

const sfuPods = async () => (await pods('sfu')).filter(({ metadata }) => metadata.deletionTimestamp === undefined);

const hasPods = (count: number, timeoutMs: number) =>
  waitFor(
    `${count} SFU pods`,
    async () => {
      const found = await sfuPods();
      if (found.length !== count) notYet(`there are ${found.length}`);
    },
    { timeoutMs, everyMs: 200 },
  );

async function replicas(): Promise<number> {
  const { spec } = await get<{ spec: { replicas: number } }>(['deployment/flotilla-sfu', '--namespace', namespace]);
  return spec.replicas;
}

/** Events of the Deployment with this reason, as messages. */
async function events(reason: string): Promise<string[]> {
  const selector = `involvedObject.name=flotilla-sfu,reason=${reason}`;
  const { items } = await get<{ items: { message: string }[] }>([
    ...['events', '--namespace', namespace, '--field-selector', selector],
  ]);
  return items.map(({ message }) => message);
}

describe('the number of SFU pods', () => {
  const figures = new Figures();
  const peers: LightPeer[] = [];
  let call: Call | undefined;
  let api: RestApi;
  let gateway: string;
  let refused = 0;

  beforeAll(async () => {
    await install({}, [
      '--set',
      Object.entries(scaling)
        .map((value) => value.join('='))
        .join(','),
    ]);
    await settled();
    api = await restApi();
    gateway = gatewayUrlOf(machineOfPod((await pods('gateway'))[0]!));
  });
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.close();
    await call?.end();
  });
  afterAll(() => endTransports());

  /** Joins, and repeats that while there is no capacity. */
  const join = async (index: number): Promise<LightPeer> => {
    const room = `scaling-${Math.floor(index / peersOfRoom)}`;
    if (index % peersOfRoom === 0) await api.createRoom({ name: room });
    for (let attempt = 0; ; attempt++) {
      const token = await api.issueToken(room);
      try {
        return await LightPeer.join({ url: gateway, token, room, name: `peer-${index}`, publish: ['audio'] });
      } catch (error) {
        if (FlotillaError.from(error).code !== 'NO_CAPACITY' || attempt > 300) throw error;
        refused++;
        await pause(retryMs);
      }
    }
  };

  const received = (): number[] => peers.flatMap((peer) => peer.takeReceived().map(({ packets }) => packets));

  const allReceive = async (): Promise<void> => {
    const before = received();
    await waitFor('every light peer receives the others of its room', () => {
      const counts = received();
      if (counts.some((count, index) => count <= (before[index] ?? 0)))
        notYet(`packets per stream before: ${before.join(', ')}, now: ${counts.join(', ')}`);
    });
  };

  test('follows a burst of joins, and falls to the minimum without a lost participant', async () => {
    await hasPods(1, 120_000);
    call = await Call.start('scaling');
    for (let index = 0; index < firstPeers; index++) peers.push(await join(index));
    // Their growth alone may have raised the number.
    await hasPods(1, 120_000);
    await allReceive();

    await call.during(figures, 'burst of joins to three times the sessions: until all have joined', async () => {
      expect(await replicas()).toBe(1);
      const began = performance.now();
      const joining = (async () => {
        for (let index = firstPeers; index < firstPeers + burst; index++) peers.push(await join(index));
      })();
      await waitFor('more replicas', async () => ((await replicas()) > 1 ? undefined : notYet('there is one')), {
        timeoutMs: 30_000,
      });
      figures.add('burst of joins: until the number of replicas is higher', performance.now() - began);
      await waitFor(
        'a second SFU node',
        async () => ((await sfuNodes()).length > 1 ? undefined : notYet('there is one')),
        { timeoutMs: 120_000 },
      );
      figures.add('burst of joins: until a second SFU node takes participants', performance.now() - began);
      await joining;
    });
    console.log(`${refused} joins were refused and repeated`);
    await hasPods(3, 60_000);
    await allReceive();
    const burstNodes = new Set(peers.map(({ nodeId }) => nodeId));
    expect(burstNodes.size).toBeGreaterThan(1);

    // Two of the first and two of the last stay, which are on other nodes.
    await call.during(figures, 'most leave, until there is one pod', async () => {
      for (const peer of peers.splice(2, firstPeers + burst - 4)) peer.close();
      await hasPods(1, 200_000);
    });
    const gaps = peers.flatMap((peer) => peer.takeReceived().map(({ longestGapMs }) => longestGapMs ?? 0));
    console.log(`longest gap between audio packets of the light peers: ${Math.round(Math.max(...gaps))} ms`);
    console.log(
      [...(await events('ScaledOut')), ...(await events('EmptyingPod')), ...(await events('ScaledIn'))].join('\n'),
    );
    const moves = peers.reduce((sum, peer) => sum + peer.moves.length, 0);
    console.log(`${moves} migrations of ${peers.length} light peers`);
    expect(peers.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`))).toEqual([]);
    await allReceive();
    const nodes = new Set([...peers.map(({ nodeId }) => nodeId), ...(await call.nodes())]);
    expect(nodes.size).toBe(1);
    const condition = 'jsonpath={.status.conditions[?(@.type=="FlotillaScaling")].reason}';
    await waitFor('the condition', async () => {
      const reason = await kubectl(['get', 'deployment/flotilla-sfu', '--namespace', namespace, '--output', condition]);
      if (reason !== 'Steady') notYet(`it is ${reason}`);
    });
  }, 600_000);
});
