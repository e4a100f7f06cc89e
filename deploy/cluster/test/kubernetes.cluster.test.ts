import {
  apiKey,
  get,
  install,
  kubectl,
  namespace,
  nodeName,
  pods,
  powerOff,
  powerOn,
  registryUrl,
  restartDeployment,
  restartPart,
  setCable,
  startKubelet,
  stopKubelet,
  waitUntil,
} from '@flotilla/cluster';
import { RestApi } from '@flotilla/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Call, describeSeen, type Seen } from './call.ts';

const figures: string[] = [];
const note = (line: string): void => {
  figures.push(line);
  console.log(line);
};

/** The pod that an SFU node runs in. */
async function podOf(nodeId: string): Promise<string> {
  const { body } = await new RestApi(registryUrl, await apiKey()).request('GET', '/v1/nodes');
  const { nodes } = body as { nodes: readonly { id: string; instance?: string }[] };
  const instance = nodes.find(({ id }) => id === nodeId)?.instance;
  if (instance === undefined) throw new Error(`the REST API does not name the pod of ${nodeId}`);
  return instance;
}

/** The number of the Kubernetes node that an SFU node runs on. */
async function machineOf(nodeId: string): Promise<number> {
  const name = await podOf(nodeId);
  const pod = (await pods('sfu')).find(({ metadata }) => metadata.name === name);
  if (!pod?.spec.nodeName) throw new Error(`there is no pod ${name}`);
  return Number(pod.spec.nodeName.slice(1));
}

/** Waits until the number of ready pods is the configured one, on nodes that are ready. */
async function settled(timeoutMs = 120_000): Promise<void> {
  await waitUntil('every pod is ready', timeoutMs, async () => {
    const { items } = await get<{
      items: { metadata: { name: string }; spec: { replicas: number }; status: { readyReplicas?: number } }[];
    }>(['deployments', '--namespace', namespace]);
    for (const { metadata, spec, status } of items)
      if ((status.readyReplicas ?? 0) < spec.replicas)
        throw new Error(`${metadata.name} has ${status.readyReplicas ?? 0} of ${spec.replicas} pods ready`);
  });
}

beforeAll(async () => {
  const began = performance.now();
  await install();
  const installedMs = performance.now() - began;
  const call = await Call.start('first', ['Ada', 'Bob']);
  note(
    `install: pods ready after ${(installedMs / 1000).toFixed(1)} s, a call of two decoded by both after ${((performance.now() - began) / 1000).toFixed(1)} s`,
  );
  await call.end();
});

afterAll(() => console.log(`\nFigures\n${figures.map((line) => `  ${line}`).join('\n')}\n`));

describe('the pods of Flotilla', () => {
  test('run as another user than root, without capabilities, with a read-only root and the default seccomp profile', async () => {
    const all = await pods();
    expect(all.length).toBeGreaterThanOrEqual(8);
    for (const { metadata, spec } of all)
      for (const container of spec.containers) {
        const context = { ...spec.securityContext, ...container.securityContext };
        expect({ pod: metadata.name, ...context }).toMatchObject({
          runAsNonRoot: true,
          runAsUser: 10_001,
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        });
        expect(context.capabilities?.add ?? []).toEqual([]);
      }
  });

  test('really cannot write to their root file system, and have no shell', async () => {
    const script = "require('node:fs').writeFileSync('/app/x', '')";
    const gateway = ['exec', '--namespace', namespace, 'deployment/flotilla-gateway', '--'];
    await expect(kubectl([...gateway, 'node', '-e', script])).rejects.toThrow(/EROFS/);
    await expect(kubectl([...gateway, 'sh', '-c', 'true'])).rejects.toThrow(/executable file not found/);
  });
});

describe('a call of two participants', () => {
  let call: Call;
  let rooms = 0;

  beforeEach(async () => {
    await settled();
    call = await Call.start(`call-${++rooms}`, ['Ada', 'Bob']);
    await call.take();
  });
  afterEach(() => call?.end());

  /** Runs an event during the call, prints the measurements of the call, and checks that it continues. */
  const under = async (event: string, work: () => Promise<void>): Promise<Seen[]> => {
    const began = performance.now();
    await work();
    const tookMs = performance.now() - began;
    await call.allReceiveAll(60_000);
    const seen = await call.take();
    note(describeSeen(event, tookMs, seen));
    expect(call.problems).toEqual([]);
    for (const { states } of seen) expect(states).not.toContain('closed');
    return seen;
  };

  test('continues while the gateways and then the SFU workers are replaced, three times', async () => {
    for (let round = 1; round <= 3; round++) {
      await under(`rollout of the gateways (${round})`, () => restartDeployment('gateway', 120_000));
      await under(`rollout of the SFU workers (${round})`, () => restartDeployment('sfu', 240_000));
    }
  }, 900_000);

  test('continues while registry, relay, autoscaler and console are replaced', async () => {
    for (const component of ['registry', 'relay', 'autoscaler', 'console'])
      await under(`rollout: ${component}`, () => restartDeployment(component, 120_000));
  }, 600_000);

  test('continues while its machine is drained', async () => {
    const [sfu] = await call.nodes();
    const machine = nodeName(await machineOf(sfu!));
    await under('drain of a machine', async () => {
      const drain = ['drain', machine, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=120s'];
      await kubectl(drain, { timeoutMs: 130_000 });
    });
    expect(await call.nodes()).not.toContain(sfu);
    await kubectl(['uncordon', machine]);
  });

  test('continues after the pod of its SFU worker was deleted', async () => {
    const [sfu] = await call.nodes();
    const pod = ['pod', await podOf(sfu!), '--namespace', namespace];
    await under('deletion of an SFU pod', async () => {
      await kubectl(['delete', ...pod], { timeoutMs: 120_000 });
    });
    expect(await call.nodes()).not.toContain(sfu);
  });

  test('recovers after the pod of its SFU worker was killed', async () => {
    const [sfu] = await call.nodes();
    const pod = ['pod', await podOf(sfu!), '--namespace', namespace];
    await under('an SFU pod killed', async () => {
      await kubectl(['delete', ...pod, '--grace-period=0', '--force'], { timeoutMs: 60_000 });
      await call.waitForNodes((nodes) => !nodes.has(sfu!), 'the participants are on other SFU nodes', 60_000);
    });
  });

  test('continues while the kubelet of its machine, the API server and etcd are down', async () => {
    const [sfu] = await call.nodes();
    const machine = await machineOf(sfu!);
    await under('kubelet stopped', async () => {
      await stopKubelet(machine);
      const status = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
      await waitUntil('the machine is not ready', 60_000, async () => {
        if ((await kubectl(['get', 'node', nodeName(machine), '--output', status])) === 'True')
          throw new Error('it is ready');
      });
    });
    startKubelet(machine);
    await under('API server restarted', () => restartPart('api-server'));
    await under('etcd restarted', () => restartPart('etcd'));
  });

  // Last, because the pods of a machine that lost power or network restart slowly.
  for (const [event, fault, repair] of [
    ['a machine cut off', (machine: number) => setCable(machine, 'down'), (machine: number) => setCable(machine, 'up')],
    ['a machine without power', powerOff, powerOn],
  ] as const)
    test(`recovers after ${event}`, async () => {
      const [sfu] = await call.nodes();
      const machine = await machineOf(sfu!);
      await under(event, async () => {
        await fault(machine);
        await call.waitForNodes((nodes) => !nodes.has(sfu!), 'the participants are on other SFU nodes', 90_000);
      });
      await repair(machine);
    });
});
