import {
  gatewayUrlOf,
  install,
  kubectl,
  namespace,
  nodeName,
  pods,
  powerOff,
  powerOn,
  setCable,
  waitUntil,
} from '@flotilla/cluster';
import { LightPeer } from '@flotilla/light-peer';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Call } from './call.ts';
import { Figures } from './figures.ts';
import { machineOfPod, metricOf, restApi, settled, sfuNodeOn, sfuNodes, whileOnlyOpen } from './fleet.ts';

const machines = [1, 2, 3];
const lightPeerCount = 20;
const peersOfRoom = 4;

/** Does something while new participants are placed on one SFU node only. */
async function placedOn(node: string, work: () => Promise<void>): Promise<void> {
  const api = await restApi();
  const others = (await sfuNodes()).filter(({ id }) => id !== node);
  for (const { id } of others)
    expect(await api.request('POST', `/v1/nodes/${id}/cordon`)).toMatchObject({ status: 200 });
  try {
    await work();
  } finally {
    for (const { id } of others) await api.request('POST', `/v1/nodes/${id}/uncordon`);
  }
}

/** Sees to it that a machine has a pod of a component, by replacing one of another machine. */
async function bringTo(machine: number, component: string): Promise<void> {
  const all = await pods(component);
  if (all.some((pod) => machineOfPod(pod) === machine)) return;
  await whileOnlyOpen(machine, machines, async () => {
    await kubectl(['delete', 'pod', all[0]!.metadata.name, '--namespace', namespace], { timeoutMs: 90_000 });
    await settled();
  });
}

/** Sees to it that no machine has all pods of a service: earlier faults may have left them on one. */
async function spreadPods(): Promise<void> {
  await settled();
  for (const component of ['gateway', 'registry', 'autoscaler', 'console']) {
    const all = await pods(component);
    if (new Set(all.map(machineOfPod)).size > 1) continue;
    await kubectl(['delete', 'pod', all[0]!.metadata.name, '--namespace', namespace], { timeoutMs: 90_000 });
    await settled();
  }
}

/** Sees to it that a machine has nothing that a call needs but an SFU worker. */
async function leaveOnlySfuOn(machine: number): Promise<void> {
  const all = await Promise.all(['gateway', 'registry', 'autoscaler'].map((component) => pods(component)));
  const there = all.flat().filter((pod) => machineOfPod(pod) === machine);
  if (there.length === 0) return;
  await kubectl(['cordon', nodeName(machine)]);
  try {
    const names = there.map(({ metadata }) => metadata.name);
    await kubectl(['delete', 'pod', ...names, '--namespace', namespace], { timeoutMs: 90_000 });
    await settled();
  } finally {
    await kubectl(['uncordon', nodeName(machine)]);
  }
}

/** The machine of the autoscaler that leads. */
async function machineOfLeader(): Promise<number> {
  return waitUntil('an autoscaler leads', 60_000, async () => {
    for (const pod of await pods('autoscaler'))
      if ((await metricOf(pod, 'autoscaler_leader')) === 1) return machineOfPod(pod);
    throw new Error('none does');
  });
}

describe('a drained machine', () => {
  const figures = new Figures();
  let call: Call | undefined;
  const peers: LightPeer[] = [];

  beforeAll(() => install());
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.close();
    await call?.end();
    await kubectl(['uncordon', ...machines.map(nodeName)]);
  });

  test('is left by twenty light peers and two browsers, whose calls continue', async () => {
    await spreadPods();
    const machine = machineOfPod((await pods('gateway'))[0]!);
    const sfu = await sfuNodeOn(machine);
    // The light peers cannot change to another gateway: theirs stays.
    const gateway = (await pods('gateway')).map(machineOfPod).find((each) => each !== machine);
    if (gateway === undefined) throw new Error('all gateways run on one machine');
    const api = await restApi();
    await placedOn(sfu, async () => {
      for (let index = 0; index < lightPeerCount; index++) {
        const room = `drain-${Math.floor(index / peersOfRoom)}`;
        if (index % peersOfRoom === 0) await api.createRoom({ name: room });
        const token = await api.issueToken(room);
        const name = `peer-${index}`;
        peers.push(await LightPeer.join({ url: gatewayUrlOf(gateway), token, room, name, publish: ['audio'] }));
      }
      call = await Call.start('drain');
    });
    expect(new Set([...peers.map(({ nodeId }) => nodeId), ...(await call!.nodes())])).toEqual(new Set([sfu]));
    const received = (): number[] => peers.flatMap((peer) => peer.takeReceived().map(({ packets }) => packets));
    const expected = lightPeerCount * (peersOfRoom - 1);
    await waitFor('every light peer receives the others of its room', () => {
      const counts = received();
      if (counts.length !== expected || counts.includes(0)) notYet(`packets per stream: ${counts.join(', ')}`);
    });

    await call!.during(figures, 'drain of a machine with 20 light peers', async () => {
      const drain = ['drain', nodeName(machine), '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=150s'];
      await kubectl(drain, { timeoutMs: 160_000 });
    });

    const gaps = peers.flatMap((peer) => peer.takeReceived().map(({ longestGapMs }) => longestGapMs ?? 0));
    console.log(`longest gap between audio packets of the light peers: ${Math.round(Math.max(...gaps))} ms`);
    expect(await call!.nodes()).not.toContain(sfu);
    expect(peers.filter(({ nodeId }) => nodeId === sfu).map(({ name }) => name)).toEqual([]);
    expect(peers.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`))).toEqual([]);
    const before = received();
    await waitFor('every light peer still receives the others of its room', () => {
      const counts = received();
      if (counts.length !== expected || counts.some((count, index) => count <= before[index]!))
        notYet(`packets per stream before: ${before.join(', ')}, now: ${counts.join(', ')}`);
    });
  });
});

describe('a call of two participants', () => {
  const figures = new Figures();
  let call: Call | undefined;
  let calls = 0;
  const start = async (names?: readonly string[]): Promise<Call> =>
    (call = await Call.start(`machine-${++calls}`, names));

  beforeAll(() => install());
  beforeEach(spreadPods);
  afterEach(() => call?.end());

  for (const [event, fault, repair] of [
    [
      'is cut from the network',
      (machine: number) => setCable(machine, 'down'),
      (machine: number) => setCable(machine, 'up'),
    ],
    ['loses its power', powerOff, powerOn],
  ] as const)
    test(`recovers after the machine of its SFU worker alone ${event}`, async () => {
      const machine = machines[0]!;
      await leaveOnlySfuOn(machine);
      const sfu = await sfuNodeOn(machine);
      await placedOn(sfu, async () => void (await start()));
      try {
        await call!.during(figures, `the machine of the SFU alone ${event}`, async () => {
          await fault(machine);
          await call!.hasLeft(sfu);
        });
      } finally {
        await repair(machine);
      }
    });

  test('recovers after the machine of its SFU worker, a gateway, a registry and the leading autoscaler loses its power', async () => {
    const machine = await machineOfLeader();
    await bringTo(machine, 'gateway');
    await bringTo(machine, 'registry');
    const sfu = await sfuNodeOn(machine);
    // The load balancer's turns over three machines: at least one of three participants gets the gateway of this machine.
    await placedOn(sfu, async () => void (await start(['Ada', 'Bob', 'Cyd'])));
    const gateway = (await pods('gateway')).find((pod) => machineOfPod(pod) === machine);
    expect(await metricOf(gateway!, 'signaling_active_connections')).toBeGreaterThan(0);
    expect(await machineOfLeader()).toBe(machine);
    try {
      await call!.during(figures, 'the machine of SFU, gateway, registry and leader loses its power', async () => {
        await powerOff(machine);
        await call!.hasLeft(sfu);
      });
    } finally {
      await powerOn(machine);
    }
  });
});
