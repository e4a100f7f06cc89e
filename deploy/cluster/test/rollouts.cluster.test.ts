import { install, killProcess, kubectl, namespace, pods, restartDeployment } from '@flotilla/cluster';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Call } from './call.ts';
import { Figures } from './figures.ts';
import { podOf, settled } from './fleet.ts';

/** One is enough to see that a rollout works; three show that it does each time. */
const rounds = process.env['CLUSTER_SHORT'] ? 1 : 3;
const ofAutoscaling = (setting: string): string[] => ['--set', `sfu.autoscaling.${setting}`];

describe('a call of two participants', () => {
  const figures = new Figures();
  let call: Call;
  let calls = 0;

  // The autoscaler sets the order of replacement.
  beforeAll(() => install({}, ['enabled=true', 'minReplicas=3', 'maxReplicas=3'].flatMap(ofAutoscaling)));
  afterAll(() => install());
  beforeEach(async () => {
    await settled();
    call = await Call.start(`rollout-${++calls}`);
  });
  afterEach(() => call?.end());

  test('continues while the gateways and then the SFU workers are replaced, and moves each at most once per rollout', async () => {
    for (let round = 1; round <= rounds; round++) {
      await call.during(figures, `rollout ${round} of the gateways`, () => restartDeployment('gateway', 120_000));
      const rollout = () => restartDeployment('sfu', 240_000);
      const seen = await call.during(figures, `rollout ${round} of the SFU workers`, rollout);
      for (const { name, moves } of seen) expect(moves.length, `migrations of ${name}`).toBeLessThanOrEqual(1);
    }
  }, 900_000);

  test('continues while registry, relay, autoscaler and console are replaced', async () => {
    for (const component of ['registry', 'relay', 'autoscaler', 'console'])
      await call.during(figures, `rollout: ${component}`, () => restartDeployment(component, 120_000));
  }, 600_000);

  test('continues after the pod of its SFU worker was deleted', async () => {
    const sfu = await call.node();
    const pod = ['pod', await podOf(sfu), '--namespace', namespace];
    await call.during(figures, 'SFU pod deleted', () => kubectl(['delete', ...pod], { timeoutMs: 120_000 }));
    expect(await call.nodes()).not.toContain(sfu);
  });

  test('recovers after the pod of its SFU worker was deleted by force, which leaves it 2 s', async () => {
    const sfu = await call.node();
    const pod = ['pod', await podOf(sfu), '--namespace', namespace];
    await call.during(figures, 'SFU pod deleted by force', async () => {
      await kubectl(['delete', ...pod, '--grace-period=0', '--force'], { timeoutMs: 60_000 });
      await call.hasLeft(sfu);
    });
  });

  test('recovers after the processes of its SFU worker were killed', async () => {
    const sfu = await call.node();
    const name = await podOf(sfu);
    const pod = (await pods('sfu')).find(({ metadata }) => metadata.name === name)!;
    await call.during(figures, 'processes of the SFU pod killed', async () => {
      await killProcess(pod);
      await call.hasLeft(sfu);
    });
  });
});
