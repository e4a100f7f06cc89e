import { callConfig, configurations, services } from '@flotilla/image';
import { announcedFor, loadConfig } from '@flotilla/runtime';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { environmentOf, find, lint, podOf, type PodSpec, render, workloads } from './chart.ts';
import { everything, exposures, names, scaled } from './values.ts';

describe('the chart', () => {
  test.each(names)('passes lint with exposure %s', (exposure) => {
    expect(lint(...exposures[exposure])).toContain('0 chart(s) failed');
    expect(lint(...exposures[exposure], ...everything)).toContain('0 chart(s) failed');
  });

  test.each(names)('gives each service a configuration that it accepts, with exposure %s', (exposure) => {
    for (const values of [[], [...everything, ...scaled(exposure)]]) {
      const found = new Set<string>();
      for (const workload of workloads(render(...exposures[exposure], ...values))) {
        const pod = podOf(workload);
        const [service] = pod.containers[0].args ?? [];
        if (service === undefined || !(service in services)) continue;
        found.add(service);
        const configuration: z.ZodObject = configurations[service as keyof typeof configurations];
        expect(() => loadConfig(configuration, environmentOf(pod)), service).not.toThrow();
      }
      expect([...found].sort()).toEqual(Object.keys(configurations).sort());
    }
  });

  test.each(names)('runs pods by Pod Security restricted, but for the host network and ports of %s', (exposure) => {
    for (const workload of workloads(render(...exposures[exposure], ...everything, ...scaled(exposure)))) {
      const pod = podOf(workload);
      const { name } = workload.metadata;
      const isMedia = /-(sfu|relay)$/.test(name);
      expect(pod, name).toMatchObject({
        enableServiceLinks: false,
        // The autoscaler calls Kubernetes where it scales.
        automountServiceAccountToken: name === 'flotilla-autoscaler' && exposure !== 'loadBalancer',
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      expect(pod.containers[0].securityContext, name).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'], ...(name.endsWith('-turn') && { add: ['NET_BIND_SERVICE'] }) },
      });
      expect(pod.hostNetwork ?? false, name).toBe(isMedia && exposure === 'hostNetwork');
      const hostPorts = pod.containers[0].ports.some(({ hostPort }) => hostPort !== undefined);
      expect(hostPorts, name).toBe(isMedia && exposure.startsWith('host'));
    }
  });

  test.each(names)('leads clients to the port that an SFU worker announces, with exposure %s', (exposure) => {
    const objects = render(...exposures[exposure], 'sfu.workers=2');
    const pod = podOf(workloads(objects).find(({ metadata }) => metadata.name === 'flotilla-sfu')!);
    const config = loadConfig(configurations['sfu-worker'], environmentOf(pod));
    const announced = [0, 1].flatMap((worker) =>
      ['UDP', 'TCP'].map((protocol) => ({ protocol, port: config.FLOTILLA_SFU_PORT_BASE + worker })),
    );
    const media = pod.containers[0].ports.filter(({ name }) => name.startsWith('media'));
    expect(media.map(({ protocol, containerPort }) => ({ protocol, port: containerPort }))).toEqual(announced);
    const reached = {
      hostNetwork: () => media.map(({ protocol, hostPort }) => ({ protocol, port: hostPort })),
      hostPort: () => media.map(({ protocol, hostPort }) => ({ protocol, port: hostPort })),
      nodePort: () =>
        find(objects, 'Service', 'flotilla-sfu').spec.ports!.map(({ protocol, nodePort }) => ({
          protocol,
          port: nodePort,
        })),
      loadBalancer: () =>
        find(objects, 'Service', 'flotilla-sfu-1').spec.ports!.map(({ protocol, port }) => ({ protocol, port })),
    }[exposure]();
    expect(reached).toEqual(announced);
  });

  test('gives a pod more time to stop than the service takes, and that more than its drain', () => {
    for (const workload of workloads(render())) {
      const { containers, terminationGracePeriodSeconds } = podOf(workload);
      const [service] = containers[0].args ?? [];
      if (service === undefined || !(service in services)) continue;
      const env = environmentOf(podOf(workload));
      const [shutdown, drain, delay] = ['SHUTDOWN', 'DRAIN', 'STOP_DELAY'].map((name) =>
        Number(env[`FLOTILLA_${name}_SECONDS`] ?? 0),
      );
      expect(terminationGracePeriodSeconds, workload.metadata.name).toBeGreaterThan(shutdown!);
      expect(shutdown, workload.metadata.name).toBeGreaterThan(drain! + delay!);
    }
  });

  test.each([
    ['an unknown value', ['sfu.exposures=hostPort'], /exposures/],
    ['an exposure that does not exist', ['sfu.exposure=ingress'], /sfu\/exposure/],
    ['node ports outside the range of Kubernetes', ['sfu.exposure=nodePort'], /sfu\/portBase/],
    ['load balancers without addresses', ['relay.exposure=loadBalancer'], /relay\/loadBalancer\/addresses/],
    [
      'to scale pods with an address each',
      [...exposures.loadBalancer, 'sfu.autoscaling.enabled=true'],
      /as many pods as addresses/,
    ],
    ['no Redis at all', ['redis.enabled=false'], /redis\/external\/existingSecret/],
    ['an ingress without a host', ['ingress.enabled=true'], /ingress\/host/],
    ['a number as a setting', ['gateway.settings.FLOTILLA_MAX_CONNECTIONS=5000000'], /FLOTILLA_MAX_CONNECTIONS/],
    ['a TURN server without peers', ['turn.enabled=true', 'turn.host=turn.example'], /turn\/allowedPeers/],
    ['a TURN server without a host', ['turn.enabled=true', 'turn.allowedPeers={10.0.0.1}'], /turn\/host/],
    ['a setting that is none', ['gateway.settings.MAX_CONNECTIONS=a'], /settings/],
  ])('refuses %s', (_, values, message) => {
    expect(() => render(...values)).toThrow(message);
  });

  test('leaves the number of SFU pods to the autoscaler, with rights to their Deployment only', () => {
    const objects = render('sfu.autoscaling.enabled=true', 'sfu.autoscaling.maxReplicas=7');
    expect(find(objects, 'Deployment', 'flotilla-sfu').spec).not.toHaveProperty('replicas');
    const autoscaler = podOf(find(objects, 'Deployment', 'flotilla-autoscaler'));
    expect(environmentOf(autoscaler)).toMatchObject({
      FLOTILLA_SCALE_DEPLOYMENT: 'flotilla-sfu',
      FLOTILLA_SCALE_MAX: '7',
      FLOTILLA_SCALE_WATCH_MACHINES: 'false',
    });
    const { rules } = find(objects, 'Role', 'flotilla-autoscaler');
    expect(rules).toHaveLength(5);
    for (const { resources, resourceNames, verbs } of rules!) {
      expect(verbs).not.toContain('delete');
      if (resources[0] === 'leases')
        expect(resourceNames).toEqual([find(objects, 'Lease', 'flotilla-sfu-scaling').metadata.name]);
      else if (!['pods', 'events'].includes(resources[0]!)) expect(resourceNames).toEqual(['flotilla-sfu']);
    }
    const cluster = ({ kind }: { kind: string }) => kind.startsWith('ClusterRole');
    expect(objects.filter(cluster)).toEqual([]);
    const watching = render('sfu.autoscaling.enabled=true', 'sfu.autoscaling.watchNodes=true');
    expect(find(watching, 'ClusterRole', 'default-flotilla-autoscaler').rules).toEqual([
      { apiGroups: [''], resources: ['nodes'], verbs: ['list', 'watch'] },
    ]);
    expect(render().filter(({ kind }) => kind.startsWith('Role') || kind.startsWith('ClusterRole'))).toEqual([]);
  });

  test('takes secrets and brokers of your own, and then creates no Secret', () => {
    const objects = render(
      ...['secrets.existingSecret=mine', 'redis.enabled=false', 'redis.external.existingSecret=r'],
      ...['rabbitmq.enabled=false', 'rabbitmq.external.existingSecret=q', 'rabbitmq.external.urlKey=url'],
    );
    expect(objects.filter(({ kind }) => kind === 'Secret')).toEqual([]);
    const secretOf = (name: string, variable: string): unknown =>
      podOf(find(objects, 'Deployment', name)).containers[0].env?.find((each) => each.name === variable)?.valueFrom;
    expect(podOf(find(objects, 'Deployment', 'flotilla-registry')).volumes).toMatchObject([
      { secret: { secretName: 'mine', items: [{ key: 'token-secret' }, { key: 'api-keys' }] } },
    ]);
    expect(secretOf('flotilla-sfu', 'REDIS_URL')).toEqual({ secretKeyRef: { name: 'r', key: 'redis-url' } });
    expect(secretOf('flotilla-sfu', 'AMQP_URL')).toEqual({ secretKeyRef: { name: 'q', key: 'url' } });
  });

  test('sends clients the URLs of its TURN server, or of one of your own', () => {
    const urlsOf = (...values: string[]): string | undefined =>
      environmentOf(podOf(find(render(...values), 'Deployment', 'flotilla-gateway')))['FLOTILLA_TURN_URLS'];
    const own = ['turn.enabled=true', 'turn.host=turn.example', 'turn.allowedPeers={203.0.113.1}'];
    const plain = 'turn:turn.example:443?transport=udp,turn:turn.example:443?transport=tcp';
    expect(urlsOf()).toBeUndefined();
    expect(urlsOf(...own)).toBe(plain);
    expect(urlsOf(...own, 'turn.tls.secretName=cert')).toBe(`${plain},turns:turn.example:443?transport=tcp`);
    expect(urlsOf('turn.external.urls={turn:other.example:3478}')).toBe('turn:other.example:3478');
  });

  test('relays media to the allowed peers alone', () => {
    const objects = render(
      'turn.enabled=true',
      'turn.host=a',
      'turn.allowedPeers={203.0.113.1-203.0.113.9,2001:db8::1}',
    );
    const { data } = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'flotilla-turn')!;
    const lines = data!['turnserver.conf']!.split('\n').filter((line) => line.includes('peer-ip='));
    expect(lines).toEqual([
      'denied-peer-ip=0.0.0.0-255.255.255.255',
      'denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
      'allowed-peer-ip=203.0.113.1-203.0.113.9',
      'allowed-peer-ip=2001:db8::1',
    ]);
  });

  test('makes a call in `helm test` through the URL that clients use', () => {
    const environment = (...values: string[]) => {
      const pod = find(render(...values), 'Pod', 'flotilla-test-call');
      expect(pod.metadata.annotations).toMatchObject({ 'helm.sh/hook': 'test' });
      return loadConfig(callConfig, environmentOf(pod.spec as unknown as PodSpec));
    };
    expect(environment()).toEqual({
      FLOTILLA_SIGNAL_URL: 'http://flotilla-gateway:8080',
      FLOTILLA_REGISTRY_URL: 'http://flotilla-registry:8081',
      FLOTILLA_API_KEY: 'key',
    });
    expect(environment('ingress.enabled=true', 'ingress.host=calls.example').FLOTILLA_SIGNAL_URL).toBe(
      'https://calls.example',
    );
    expect(environment('test.signalUrl=wss://other.example').FLOTILLA_SIGNAL_URL).toBe('wss://other.example');
  });

  test.each(['hostPort', 'hostNetwork', 'nodePort'] as const)(
    'announces the IPv4 and the IPv6 address of the node with dualStack and exposure %s',
    (exposure) => {
      const objects = render(...exposures[exposure], 'sfu.dualStack=true', 'relay.dualStack=true');
      for (const [name, service, setting] of [
        ['flotilla-sfu', 'sfu-worker', 'FLOTILLA_SFU'],
        ['flotilla-relay', 'metadata-relay', 'FLOTILLA_RELAY'],
      ] as const) {
        const configuration: z.ZodObject = configurations[service];
        const config = loadConfig(configuration, environmentOf(podOf(find(objects, 'Deployment', name))));
        const ips = config[`${setting}_LISTEN_IPS`] as string[];
        const announced = announcedFor({
          list: config[`${setting}_ANNOUNCED_ADDRESS`] as string | undefined,
          index: undefined,
          ips,
        });
        expect(ips.map((ip, nth) => announced[nth] ?? ip)).toEqual(['10.77.0.11', 'fd00::11']);
      }
    },
  );
});
