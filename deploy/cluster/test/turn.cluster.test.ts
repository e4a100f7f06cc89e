import { install, loadImage, nodeAddress, restartDeployment, servicePorts } from '@flotilla/cluster';
import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import { Call } from './call.ts';
import { Figures } from './figures.ts';
import { allowAll, allowOnly, machines } from './firewall.ts';
import { settled } from './fleet.ts';

const turnPort = 30_478;
const services = Object.values(servicePorts);

describe('two participants behind a firewall, with coturn of the chart', () => {
  const figures = new Figures();
  let call: Call | undefined;

  beforeAll(async () => {
    await loadImage(process.env['FLOTILLA_SERVERS_ARCHIVE']!);
    const values = {
      'turn.enabled': true,
      'turn.image.repository': 'flotilla.local/servers',
      'turn.host': nodeAddress(1),
      'turn.service.type': 'NodePort',
      'turn.service.port': turnPort,
      // The node of `turn.host` need not be that of the pod.
      'turn.service.externalTrafficPolicy': 'Cluster',
      'turn.allowedPeers': `{${machines.map(nodeAddress).join(',')}}`,
    };
    const options = Object.entries(values).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
    await install({}, [...options, '--set-string', 'turn.image.tag=1']);
    await settled();
  });
  afterEach(async () => {
    await allowAll();
    await call?.end();
    call = undefined;
  });
  afterAll(() => install());

  for (const [what, ports] of [
    ['UDP to the TURN server', { tcp: services, udp: [turnPort] }],
    ['TCP', { tcp: [...services, turnPort] }],
  ] as const)
    test(`that allows only ${what} receive each other, and while the SFU workers are replaced`, async () => {
      await allowOnly(ports);
      call = await Call.start(`turn-${what.slice(0, 3).toLowerCase()}`);
      await call.during(figures, `behind a firewall, ${what} only: rollout of the SFU workers`, () =>
        restartDeployment('sfu', 240_000),
      );
    }, 400_000);
});
