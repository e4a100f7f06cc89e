import {
  get,
  install,
  killPart,
  kubectl,
  nodeName,
  pods,
  startKubelet,
  startPart,
  stopKubelet,
  waitUntil,
} from '@flotilla/cluster';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Call } from './call.ts';
import { Figures } from './figures.ts';
import { machineOf, restApi, settled } from './fleet.ts';

interface Node {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

describe('a call of two participants', () => {
  const figures = new Figures();
  let call: Call;
  let calls = 0;

  beforeAll(() => install());
  beforeEach(async () => {
    await settled();
    call = await Call.start(`control-plane-${++calls}`);
  });
  afterEach(() => call?.end());

  test('notices nothing of a restart of the kubelet of its machine', async () => {
    const machine = await machineOf(await call.node());
    const namesAndStarts = async () =>
      (await pods()).map(({ metadata, status }) => [
        metadata.name,
        status.containerStatuses?.map(({ containerID }) => containerID),
      ]);
    const before = await namesAndStarts();
    const seen = await call.during(figures, 'kubelet restarted, until it answers', async () => {
      await stopKubelet(machine);
      startKubelet(machine);
      await waitUntil('the kubelet answers', 60_000, () =>
        kubectl(['get', '--raw', `/api/v1/nodes/${nodeName(machine)}/proxy/pods`]),
      );
      await settled();
    });
    expect(seen.flatMap(({ moves }) => moves)).toEqual([]);
    expect(await namesAndStarts()).toEqual(before);
  });

  // Kubernetes evicts the pods of a machine that is not ready for some seconds: the kubelet, back again, stops them.
  test('continues while the kubelet of its machine is stopped, and after it was started again', async () => {
    const machine = await machineOf(await call.node());
    await call.during(figures, 'kubelet stopped, until the machine is not ready', async () => {
      await stopKubelet(machine);
      await waitUntil('the machine is not ready', 60_000, async () => {
        const { status } = await get<Node>(['node', nodeName(machine)]);
        if (status.conditions.some((each) => each.type === 'Ready' && each.status === 'True'))
          throw new Error('it is ready');
      });
    });
    await call.during(figures, 'kubelet started, until every pod is ready', async () => {
      startKubelet(machine);
      await settled();
    });
  });

  test.for(['api-server', 'etcd'] as const)('continues and is migrated while %s is down', async (part) => {
    const api = await restApi();
    await call.during(figures, `${part} killed, a migration without it`, async () => {
      await killPart(part);
      await call.migrate(api);
      await call.allReceiveAll();
    });
    await call.during(figures, `${part} started`, () => startPart(part));
  });
});
