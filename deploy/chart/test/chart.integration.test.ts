import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callConfig, configurations, services } from '@flotilla/image';
import { announcedFor, loadConfig } from '@flotilla/runtime';
import { CertificateAuthority } from '@flotilla/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import {
  environmentOf,
  find,
  install,
  lint,
  podOf,
  type PodSpec,
  render,
  secretOfSetting,
  workloads,
} from './chart.ts';
import { combinations, everything, exposures, names, scaled, shadow } from './values.ts';

const turn = ['turn.enabled=true', 'turn.host=turn.example', 'turn.allowedPeers={203.0.113.1}'];
const ingress = ['ingress.enabled=true', 'ingress.host=calls.example', 'gateway.trustedProxies={10.0.0.0/8}'];

describe('the chart', () => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-chart-'));
  const authority = new CertificateAuthority(directory);
  const { cert, key } = authority.issue('tls');
  const mounted: Readonly<Record<string, string>> = { 'ca.crt': authority.caFile, 'tls.crt': cert, 'tls.key': key };
  /** An environment with certificates that exist in place of those that are mounted. */
  const withCertificates = (environment: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(environment).map(([name, value]) => {
        const [, file = ''] = /^\/etc\/flotilla\/(?:[\w-]+-)?tls\/(.+)$/.exec(value) ?? [];
        return [name, mounted[file] ?? value];
      }),
    );
  afterAll(() => rmSync(directory, { recursive: true }));

  test.each(names)('passes lint with exposure %s', (exposure) => {
    expect(lint(...exposures[exposure])).toContain('0 chart(s) failed');
  });

  test.each(combinations)('passes lint with exposure %s and every option %s', (_exposure, _set, values) => {
    expect(lint(...values)).toContain('0 chart(s) failed');
  });

  test.each(names)('gives each service a configuration that it accepts, with exposure %s', (exposure) => {
    for (const values of [[], ...Object.values(everything).map((set) => [...set, ...scaled(exposure)])]) {
      const found = new Set<string>();
      for (const workload of workloads(render(...exposures[exposure], ...values))) {
        const pod = podOf(workload);
        const [service] = pod.containers[0].args ?? [];
        if (service === undefined || !(service in services)) continue;
        found.add(service);
        const configuration: z.ZodObject = configurations[service as keyof typeof configurations];
        expect(() => loadConfig(configuration, withCertificates(environmentOf(pod))), service).not.toThrow();
      }
      // The chart does not deploy the media edge yet.
      const deployed = Object.keys(configurations).filter((service) => service !== 'media-edge');
      expect([...found].sort()).toEqual(deployed.sort());
    }
  });

  test.each(combinations)(
    'runs pods by Pod Security restricted, but for the host network and ports of %s, %s',
    (exposure, _set, values) => {
      for (const workload of workloads(render(...values))) {
        const pod = podOf(workload);
        const { name } = workload.metadata;
        const isMedia = /-(sfu|relay)$/.test(name);
        expect(pod, name).toMatchObject({
          enableServiceLinks: false,
          // The autoscaler calls Kubernetes where it scales.
          automountServiceAccountToken: name === 'flotilla-autoscaler' && exposure !== 'loadBalancer',
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        });
        for (const { securityContext } of [...(pod.initContainers ?? []), ...pod.containers])
          expect(securityContext, name).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'], ...(name.endsWith('-turn') && { add: ['NET_BIND_SERVICE'] }) },
          });
        expect(pod.hostNetwork ?? false, name).toBe(isMedia && exposure === 'hostNetwork');
        const hostPorts = pod.containers[0].ports.some(({ hostPort }) => hostPort !== undefined);
        expect(hostPorts, name).toBe(isMedia && exposure.startsWith('host'));
      }
    },
  );

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

  test('has the rules of the objectives, for series of the namespace of the release', () => {
    const { spec } = find(render('metrics.prometheusRule=true'), 'PrometheusRule', 'flotilla-metrics');
    const { groups } = spec as unknown as { groups: { rules: { alert?: string; expr: string }[] }[] };
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(100);
    expect(rules.filter(({ expr }) => !expr.includes('namespace="default"'))).toEqual([]);
    expect(rules.find(({ alert }) => alert === 'FlotillaSweepFails')).toMatchObject({
      annotations: { description: expect.stringContaining('pod {{ $labels.pod }}') as string },
    });
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

  test.each(['nodePort', 'loadBalancer'] as const)(
    'leads media to pods that are not ready, which drain or wait for a broker, with exposure %s',
    (exposure) => {
      const media = render(...exposures[exposure]).filter(
        ({ kind, spec, metadata }) =>
          kind === 'Service' && spec.type !== undefined && /-(sfu|relay)(-\d)?$/.test(metadata.name),
      );
      expect(media).toHaveLength(exposure === 'nodePort' ? 2 : 4);
      for (const { spec, metadata } of media)
        expect(spec, metadata.name).toMatchObject({ externalTrafficPolicy: 'Local', publishNotReadyAddresses: true });
    },
  );

  test.each(['sfu', 'relay'])(
    'announces the external address of the node of a %s, without credentials where media is',
    (name) => {
      const objects = render(`${name}.announce=externalIP`);
      const pod = podOf(find(objects, 'Deployment', `flotilla-${name}`));
      expect(environmentOf(pod)[`FLOTILLA_${name.toUpperCase()}_ANNOUNCED_ADDRESS`]).toBe('203.0.113.11');
      const [init] = pod.initContainers!;
      const mountsOf = ({ volumeMounts }: { volumeMounts?: readonly { name: string }[] }) =>
        volumeMounts?.map((mount) => mount.name);
      expect(init!.args).toEqual(['node-address', '/run/flotilla/announced']);
      expect([mountsOf(init!), mountsOf(pod.containers[0])]).toEqual([
        ['announced', 'kubernetes'],
        ['brokers', 'announced'],
      ]);
      // Otherwise the pod would not be Guaranteed.
      expect(init!.resources).toEqual(pod.containers[0].resources);
      expect(find(objects, 'ClusterRole', `default-flotilla-${name}`).rules).toEqual([
        { apiGroups: [''], resources: ['nodes'], verbs: ['get'] },
      ]);
      for (const values of [exposures.loadBalancer, [`${name}.announcedAddress=203.0.113.1`]]) {
        const others = render(`${name}.announce=externalIP`, ...values);
        expect(others.some(({ kind }) => kind.startsWith('ClusterRole'))).toBe(false);
        expect(workloads(others).flatMap((each) => podOf(each).initContainers ?? [])).toEqual([]);
      }
    },
  );

  test('requests the address of a load balancer by its annotations, or without any by loadBalancerIP', () => {
    const list = 'sfu.loadBalancer.addresses';
    const objects = render(
      ...['sfu.exposure=loadBalancer', `${list}[0]=203.0.113.1`, `${list}[1].address=203.0.113.2`],
      ...[
        `${list}[1].annotations.eip=b`,
        `${list}[1].annotations.scheme=own`,
        'sfu.loadBalancer.annotations.scheme=common',
      ],
    );
    const services = [0, 1].map((pod) => find(objects, 'Service', `flotilla-sfu-${pod}`));
    expect(services.map(({ spec, metadata }) => [spec['loadBalancerIP'], metadata.annotations])).toEqual([
      ['203.0.113.1', { scheme: 'common' }],
      [undefined, { eip: 'b', scheme: 'own' }],
    ]);
    const sfu = find(objects, 'StatefulSet', 'flotilla-sfu');
    expect(sfu.spec.replicas).toBe(2);
    expect(environmentOf(podOf(sfu))['FLOTILLA_SFU_ANNOUNCED_ADDRESS']).toBe('203.0.113.1,203.0.113.2');
  });

  test.each([
    ['an unknown value', ['sfu.exposures=hostPort'], /exposures/],
    ['an exposure that does not exist', ['sfu.exposure=ingress'], /sfu\/exposure/],
    ['node ports outside the range of Kubernetes', ['sfu.exposure=nodePort'], /sfu\/portBase/],
    [
      'an address of a load balancer that nothing requests',
      ['sfu.exposure=loadBalancer', 'sfu.loadBalancer.addresses[0].address=203.0.113.1'],
      /annotations/,
    ],
    ['load balancers without addresses', ['relay.exposure=loadBalancer'], /relay\/loadBalancer\/addresses/],
    [
      'to scale pods with an address each',
      [...exposures.loadBalancer, 'sfu.autoscaling.enabled=true'],
      /as many pods as addresses/,
    ],
    ['no Redis at all', ['redis.enabled=false'], /redis\/external\/existingSecret/],
    [
      'a certificate for Redis that no Secret has',
      ['redis.external.tls.clientCertificate=true'],
      /redis\.external\.tls\.secretName/,
    ],
    [
      'certificates of clients of a REST API without TLS',
      ['registry.tls.clientCertificates=true'],
      /registry\.tls\.clientCertificates: the REST API serves plain HTTP/,
    ],
    [
      'certificates of clients that the console does not have',
      ['registry.tls.clientCertificates=true', 'registry.tls.secretName=own'],
      /console\.registryTls\.secretName/,
    ],
    [
      'what the console trusts for a REST API without TLS',
      ['console.registryTls.secretName=own'],
      /console\.registryTls\.secretName: the REST API serves plain HTTP/,
    ],
    ['an ingress without a host', ['ingress.enabled=true'], /ingress\/host/],
    ['a number as a setting', ['gateway.settings.FLOTILLA_MAX_CONNECTIONS=5000000'], /FLOTILLA_MAX_CONNECTIONS/],
    ['a TURN server without peers', ['turn.enabled=true', 'turn.host=turn.example'], /turn\/allowedPeers/],
    ['a TURN server without a host', ['turn.enabled=true', 'turn.allowedPeers={10.0.0.1}'], /turn\/host/],
    ['a setting that is none', ['gateway.settings.MAX_CONNECTIONS=a'], /settings/],
    [
      'an ingress whose clients the gateway would refuse',
      ['ingress.enabled=true', 'ingress.host=a'],
      /gateway\.trustedProxies: .* 426/,
    ],
    [
      'an ingress whose clients would be one address for a gateway with a certificate',
      ['ingress.enabled=true', 'ingress.host=a', 'gateway.tls.secretName=own'],
      /gateway\.trustedProxies: .* all clients would share the limits of one address/,
    ],
    [
      'an HTTPRoute whose clients the gateway would refuse',
      ['httpRoute.enabled=true', 'httpRoute.parentRefs[0].name=a'],
      /gateway\.trustedProxies/,
    ],
    [
      'PROXY headers that an ingress does not send',
      [...ingress, 'gateway.proxyProtocol=true'],
      /gateway\.proxyProtocol: an ingress or HTTPRoute sends no PROXY header/,
    ],
    [
      'PROXY headers that an HTTPRoute does not send',
      [
        ...['httpRoute.enabled=true', 'httpRoute.parentRefs[0].name=a', 'gateway.trustedProxies={10.0.0.0/8}'],
        'gateway.proxyProtocol=true',
      ],
      /gateway\.proxyProtocol: an ingress or HTTPRoute sends no PROXY header/,
    ],
    [
      'PROXY headers of nobody who is trusted',
      ['gateway.proxyProtocol=true'],
      /gateway\.proxyProtocol: .*Set gateway\.trustedProxies/,
    ],
    [
      'PROXY headers that the call of `helm test` does not send',
      ['gateway.proxyProtocol=true', 'gateway.trustedProxies={10.0.0.0/8}'],
      /test\.signalUrl/,
    ],
    [
      'a minimum of SFU pods above the maximum',
      ['sfu.autoscaling.enabled=true', 'sfu.autoscaling.minReplicas=11'],
      /sfu\.autoscaling\.minReplicas: 11 is above maxReplicas, which is 10/,
    ],
    [
      'a minimum of gateways above the maximum',
      ['gateway.autoscaling.enabled=true', 'gateway.autoscaling.minReplicas=11'],
      /gateway\.autoscaling\.minReplicas/,
    ],
    ['port 443 as a node port of the TURN server', [...turn, 'turn.service.type=NodePort'], /turn\.service\.port: 443/],
    ['keys of tokens over http:', ['tokens.jwksUrl=http://id.example/keys'], /tokens\.jwksUrl/],
    ['a reversed range of pipe ports', ['sfu.pipePorts=41999-41000'], /sfu\.pipePorts: 41999-41000/],
    ['pipe ports that are those of workers', ['sfu.pipePorts=40001-40100', 'sfu.workers=2'], /40000 to 40001/],
    ['a relay on a port of the workers', ['relay.port=40001', 'sfu.workers=2'], /relay\.port: 40001.*40000 to 40001/],
    [
      'an admin port that is one of the workers',
      ['sfu.adminPort=40001', 'sfu.workers=2'],
      /sfu\.adminPort: 40001.*40000/,
    ],
    [
      'an admin port of the relay that is its port',
      ['relay.adminPort=40900'],
      /relay\.adminPort: 40900 is relay\.port/,
    ],
    [
      'a relay on a pipe port of the machine',
      ['relay.port=41500', 'relay.exposure=hostNetwork', 'sfu.exposure=hostNetwork'],
      /relay\.port: 41500.*41000-41999/,
    ],
    [
      'two admin ports that are one port of the machine',
      ['sfu.exposure=hostNetwork', 'relay.exposure=hostNetwork', 'sfu.adminPort=9470', 'relay.adminPort=9470'],
      /sfu\.adminPort: 9470 is relay\.adminPort/,
    ],
    [
      'two Services on one port of the machines',
      [
        'gateway.service.type=NodePort',
        'gateway.service.nodePort=30080',
        'registry.service.type=NodePort',
        'registry.service.nodePort=30080',
      ],
      /registry\.service\.nodePort: 30080 is gateway\.service\.nodePort/,
    ],
    [
      'a Service on a port of the workers',
      [
        'sfu.exposure=nodePort',
        'sfu.portBase=30080',
        'sfu.workers=2',
        'console.service.type=NodePort',
        'console.service.nodePort=30081',
      ],
      /console\.service\.nodePort: 30081 is sfu\.portBase \(30080 to 30081\)/,
    ],
    [
      'a TURN server on the port of a relay',
      ['relay.exposure=nodePort', 'relay.port=30900', ...turn, 'turn.service.type=NodePort', 'turn.service.port=30900'],
      /turn\.service\.port: 30900 is relay\.port/,
    ],
    ['workers beyond the last port', ['sfu.portBase=65535', 'sfu.workers=2'], /sfu\.portBase/],
    [
      'workers beyond the last node port',
      ['sfu.exposure=nodePort', 'sfu.portBase=32767', 'sfu.workers=2'],
      /sfu\.portBase/,
    ],
    ['a rolling update that replaces no pod', ['sfu.strategy.maxUnavailable=0'], /sfu\.strategy/],
    [
      'a drain as a setting, which the grace period does not follow',
      ['relay.settings.FLOTILLA_DRAIN_SECONDS=9s'],
      /Set relay\.drainSeconds/,
    ],
    ['a shutdown as a setting', ['autoscaler.settings.FLOTILLA_SHUTDOWN_SECONDS=9s'], /SHUTDOWN_SECONDS/],
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
    expect(rules).toHaveLength(6);
    for (const { resources, resourceNames, verbs } of rules!) {
      expect(verbs).not.toContain('delete');
      // The right to create cannot be limited to a name.
      if (verbs.includes('create')) expect({ resourceNames, verbs }).toEqual({ verbs: ['create'] });
      else if (resources[0] === 'leases')
        expect(resourceNames).toEqual([find(objects, 'Lease', 'flotilla-sfu-scaling').metadata.name]);
      else if (resources[0] !== 'pods') expect(resourceNames).toEqual(['flotilla-sfu']);
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
    const sfu = podOf(find(objects, 'Deployment', 'flotilla-sfu'));
    expect(podOf(find(objects, 'Deployment', 'flotilla-registry')).volumes).toMatchObject([
      { secret: { secretName: 'mine', items: [{ key: 'token-secret' }, { key: 'api-keys' }] } },
      { name: 'brokers' },
    ]);
    expect(secretOfSetting(sfu, 'REDIS_URL')).toEqual({ name: 'r', key: 'redis-url' });
    expect(secretOfSetting(sfu, 'AMQP_URL')).toEqual({ name: 'q', key: 'url' });
  });

  test('gives every service that uses a broker the certificates for it', () => {
    const external = [
      'redis.enabled=false',
      'redis.external.existingSecret=r',
      'redis.external.tls.secretName=redis-ca',
    ];
    const mutual = [
      ...['rabbitmq.enabled=false', 'rabbitmq.external.existingSecret=q', 'rabbitmq.external.tls.secretName=q-tls'],
      'rabbitmq.external.tls.clientCertificate=true',
    ];
    const pods = render(...external, ...mutual)
      .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
      .map((object) => podOf(object))
      .filter(({ containers: [{ env }] }) => env?.some(({ name }) => name === 'REDIS_URL_FILE'));
    expect(pods).toHaveLength(5);
    for (const pod of pods) {
      const files = Object.entries(environmentOf(pod)).filter(([name]) => name.includes('_TLS_'));
      expect(Object.fromEntries(files)).toEqual({
        REDIS_TLS_CA_FILE: '/etc/flotilla/redis-tls/ca.crt',
        AMQP_TLS_CA_FILE: '/etc/flotilla/rabbitmq-tls/ca.crt',
        AMQP_TLS_CERT_FILE: '/etc/flotilla/rabbitmq-tls/tls.crt',
        AMQP_TLS_KEY_FILE: '/etc/flotilla/rabbitmq-tls/tls.key',
      });
      expect(pod.volumes).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ name: 'redis-tls', secret: expect.objectContaining({ secretName: 'redis-ca' }) }),
          expect.objectContaining({ name: 'rabbitmq-tls', secret: expect.objectContaining({ secretName: 'q-tls' }) }),
        ]),
      );
    }
  });

  test('the console asks a Prometheus for the series of its namespace, or for those with other labels', () => {
    const settings = (...values: string[]) => {
      const pod = podOf(find(render(...values), 'Deployment', 'flotilla-console'));
      return Object.entries(environmentOf(pod)).filter(([name]) => name.startsWith('FLOTILLA_PROMETHEUS'));
    };
    expect(settings()).toEqual([]);
    const url = 'http://prometheus:9090';
    expect(Object.fromEntries(settings(`console.prometheus.url=${url}`))).toEqual({
      FLOTILLA_PROMETHEUS_URL: url,
      FLOTILLA_PROMETHEUS_MATCHERS: expect.stringMatching(/^namespace="[a-z-]+"$/) as string,
    });
    expect(
      Object.fromEntries(settings(`console.prometheus.url=${url}`, 'console.prometheus.matchers=fleet="a"')),
    ).toEqual({
      FLOTILLA_PROMETHEUS_URL: url,
      FLOTILLA_PROMETHEUS_MATCHERS: 'fleet="a"',
    });
  });

  describe('the REST API over TLS', () => {
    const files = (objects: ReturnType<typeof render>, component: string) => {
      const pod = podOf(find(objects, 'Deployment', `flotilla-${component}`));
      const settings = Object.entries(environmentOf(pod)).filter(([name]) => /_TLS_|_REGISTRY_URL/.test(name));
      const secrets = (pod.volumes ?? []).flatMap(({ name, secret }) =>
        /tls/.test(name) ? [[secret!.secretName, ...(secret!.items ?? []).map(({ key }) => key)]] : [],
      );
      return { settings: Object.fromEntries(settings), secrets };
    };

    test('is plain HTTP by default', () => {
      const objects = render('console.open=true');
      expect(files(objects, 'registry')).toEqual({ settings: {}, secrets: [] });
      const settings = { FLOTILLA_REGISTRY_URL: 'http://flotilla-registry:8081' };
      expect(files(objects, 'console')).toEqual({ settings, secrets: [] });
      expect(objects.filter(({ kind }) => kind === 'Certificate')).toEqual([]);
    });

    test('gives the console the authority of the registry, and not its key', () => {
      const objects = render('registry.tls.secretName=own');
      expect(files(objects, 'registry')).toEqual({
        settings: {
          FLOTILLA_REST_TLS_CERT: '/etc/flotilla/tls/tls.crt',
          FLOTILLA_REST_TLS_KEY: '/etc/flotilla/tls/tls.key',
        },
        secrets: [['own']],
      });
      expect(files(objects, 'console')).toEqual({
        settings: {
          FLOTILLA_REGISTRY_URL: 'https://flotilla-registry:8081',
          FLOTILLA_REGISTRY_TLS_CA_FILE: '/etc/flotilla/registry-tls/ca.crt',
        },
        secrets: [['own', 'ca.crt']],
      });
      expect(find(objects, 'Service', 'flotilla-registry').spec.ports).toMatchObject([{ appProtocol: 'https' }]);
      // Kubelet and Prometheus use the admin port.
      for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'])
        expect(podOf(find(objects, 'Deployment', 'flotilla-registry')).containers[0]).toMatchObject({
          [probe]: { httpGet: { port: 'admin' } },
        });
    });

    test('has certificates of cert-manager for the Service and for the console', () => {
      const objects = render('registry.tls.clusterIssuer=ca', 'registry.tls.clientCertificates=true');
      const certificates = objects.filter(({ kind }) => kind === 'Certificate').map(({ spec }) => spec);
      expect(certificates).toEqual(
        expect.arrayContaining([
          expect.objectContaining({
            secretName: 'flotilla-registry-tls',
            dnsNames: expect.arrayContaining(['flotilla-registry']),
            usages: ['server auth'],
          }),
          expect.objectContaining({ secretName: 'flotilla-console-registry-tls', usages: ['client auth'] }),
        ]),
      );
      expect(files(objects, 'registry').settings).toMatchObject({
        FLOTILLA_REST_TLS_CLIENT_CA: '/etc/flotilla/tls/ca.crt',
      });
      expect(files(objects, 'console').secrets).toEqual([
        ['flotilla-console-registry-tls', 'ca.crt', 'tls.crt', 'tls.key'],
      ]);
    });

    test('is reached by an ingress over TLS, apart from the paths without', () => {
      const ingress = ['ingress.enabled=true', 'ingress.host=a', 'ingress.rest=true', 'gateway.allowPlain=true'];
      const ingresses = (...values: string[]) =>
        render(...ingress, ...values)
          .filter(({ kind }) => kind === 'Ingress')
          .map(({ metadata, spec }) => [
            metadata.annotations?.['nginx.ingress.kubernetes.io/backend-protocol'],
            ...(spec['rules'] as { http: { paths: { path: string }[] } }[])[0]!.http.paths.map(({ path }) => path),
          ]);
      expect(ingresses()).toEqual([[undefined, '/v1/signal', '/v1', '/']]);
      expect(ingresses('registry.tls.secretName=own')).toEqual([
        [undefined, '/v1/signal', '/'],
        ['HTTPS', '/v1'],
      ]);
      expect(ingresses('gateway.tls.secretName=own')).toEqual([
        [undefined, '/v1', '/'],
        ['HTTPS', '/v1/signal'],
      ]);
    });
  });

  describe('the proxies in front', () => {
    const proxiesOf = (...values: readonly string[]) => {
      const objects = render(...values);
      return ['gateway', 'console', 'registry'].map(
        (component) =>
          environmentOf(podOf(find(objects, 'Deployment', `flotilla-${component}`)))['FLOTILLA_TRUSTED_PROXIES'],
      );
    };

    test('are known to the gateway and the console, by the value or by a setting of the gateway', () => {
      expect(proxiesOf(...ingress)).toEqual(['10.0.0.0/8', '10.0.0.0/8', undefined]);
      const setting = 'gateway.settings.FLOTILLA_TRUSTED_PROXIES=192.0.2.1';
      expect(proxiesOf('ingress.enabled=true', 'ingress.host=a', setting)).toEqual([
        '192.0.2.1',
        '192.0.2.1',
        undefined,
      ]);
    });

    test.each([
      ['an ingress', [...ingress, 'ingress.rest=true']],
      ['a route', [...ingress, 'httpRoute.enabled=true', 'httpRoute.parentRefs[0].name=a', 'httpRoute.rest=true']],
      ['its Service', [...ingress, 'registry.service.type=LoadBalancer']],
    ])('are known to the registry where %s makes it public', (_name, values) => {
      expect(proxiesOf(...values)).toEqual(['10.0.0.0/8', '10.0.0.0/8', '10.0.0.0/8']);
    });

    test('are known to the registry of a shadow release', () => {
      const objects = render(...shadow, 'gateway.trustedProxies={10.0.0.0/8}');
      const registry = find(objects, 'Deployment', 'flotilla-registry');
      expect(environmentOf(podOf(registry))['FLOTILLA_TRUSTED_PROXIES']).toBe('10.0.0.0/8');
    });
  });

  test('gives each service a URL of its own from a Secret that has one for each', () => {
    const external = ['redis', 'rabbitmq'].flatMap((broker) => [
      ...[`${broker}.enabled=false`, `${broker}.external.existingSecret=brokers`],
      `${broker}.external.userPerService=true`,
    ]);
    const objects = render(...external, 'rabbitmq.external.urlKey=url');
    for (const component of ['gateway', 'registry', 'autoscaler', 'relay', 'sfu']) {
      const pod = podOf(find(objects, 'Deployment', `flotilla-${component}`));
      const keys = ['REDIS_URL', 'AMQP_URL'].map((setting) => secretOfSetting(pod, setting)?.key);
      expect(keys).toEqual([`${component}-redis-url`, `${component}-url`]);
    }
  });

  test.each(['gateway', 'registry', 'console'])(
    'declares the Service of a %s with a certificate as one of TLS',
    (name) => {
      const appProtocol = (...values: string[]): unknown => {
        const [port] = find(render(...values), 'Service', `flotilla-${name}`).spec.ports!;
        return (port as { appProtocol?: string }).appProtocol;
      };
      expect(appProtocol()).toBeUndefined();
      expect(appProtocol(`${name}.tls.secretName=own`)).toBe('https');
    },
  );

  test('sends clients the URLs of its TURN server, or of one of your own', () => {
    const urlsOf = (...values: string[]): string | undefined =>
      environmentOf(podOf(find(render(...values), 'Deployment', 'flotilla-gateway')))['FLOTILLA_TURN_URLS'];
    const plain = 'turn:turn.example:443?transport=udp,turn:turn.example:443?transport=tcp';
    expect(urlsOf()).toBeUndefined();
    expect(urlsOf(...turn)).toBe(plain);
    expect(urlsOf(...turn, 'turn.tls.secretName=cert')).toBe(`${plain},turns:turn.example:443?transport=tcp`);
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

  test('replaces the TURN pods when their configuration changes, and not otherwise', () => {
    const pods = (...values: string[]) => find(render(...turn, ...values), 'Deployment', 'flotilla-turn').spec.template;
    expect(pods()).toEqual(pods());
    expect(pods('turn.allowedPeers={203.0.113.2}')).not.toEqual(pods());
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
    expect(environment(...ingress).FLOTILLA_SIGNAL_URL).toBe('https://calls.example');
    expect(environment('test.signalUrl=wss://other.example').FLOTILLA_SIGNAL_URL).toBe('wss://other.example');
  });

  test.each([
    ['no way to serve signaling', [], /Nobody can join yet/],
    ['an ingress', ingress, /helm test flotilla/],
    [
      'plain connections',
      ['gateway.allowPlain=true'],
      /helm test flotilla[^]*port-forward service\/flotilla-gateway 8080:8080/,
    ],
    [
      'a certificate of the gateways',
      ['gateway.tls.secretName=own'],
      /helm test flotilla[^]*has to name their Service/,
    ],
    ["proxies of one's own", ['gateway.trustedProxies={10.0.0.0/8}'], /test\.signalUrl=https:\/\/HOST, then helm test/],
  ] as const)('says after the installation how to make a call, with %s', (_, values, expected) => {
    const [, notes] = install(...values).split('\nNOTES:\n');
    expect(notes).toMatch(expected);
    expect(notes!.includes('Nobody can join')).toBe(values.length === 0);
  });

  test('serves pages and signaling through port-forwards with the values of the documented trial', () => {
    const page = readFileSync(new URL('../../../docs/kubernetes/README.md', import.meta.url), 'utf8');
    const commands = page.split('```').find((block) => block.includes('gateway.allowPlain=true'))!;
    const objects = render(...[...commands.matchAll(/--set '?([^\s']+)/g)].map(([, value]) => value!));
    const [console_, gateway] = ['console', 'gateway'].map((name) =>
      environmentOf(podOf(find(objects, 'Deployment', `flotilla-${name}`))),
    );
    expect(console_).toMatchObject({ FLOTILLA_CONSOLE_OPEN: 'true', FLOTILLA_SIGNAL_URL: 'http://localhost:8080' });
    expect(gateway).toMatchObject({ FLOTILLA_ALLOW_PLAIN: 'true', FLOTILLA_ALLOWED_ORIGINS: 'http://localhost:8082' });
    for (const [name, port] of [
      ['gateway', 8080],
      ['console', 8082],
    ] as const) {
      expect(commands).toContain(`port-forward service/flotilla-${name} ${port}`);
      expect(find(objects, 'Service', `flotilla-${name}`).spec.ports).toMatchObject([{ port }]);
    }
  });

  test('limits evictions of every component, also of single pods, without blocking a drain', () => {
    const budgets = (...values: string[]) =>
      Object.fromEntries(
        render(...values).flatMap(({ kind, metadata, spec }) => {
          if (kind !== 'PodDisruptionBudget') return [];
          const { minAvailable, maxUnavailable } = spec;
          return [[metadata.name.replace('flotilla-', ''), { minAvailable, maxUnavailable }]];
        }),
      );
    const onePod = { minAvailable: undefined, maxUnavailable: 1 };
    const names = ['gateway', 'registry', 'autoscaler', 'console', 'relay', 'sfu', 'turn'];
    expect(budgets(...turn, 'sfu.replicas=1')).toEqual(Object.fromEntries(names.map((name) => [name, onePod])));
    // Kubernetes counts pods that wait for a node as unavailable.
    const scaled = ['sfu.autoscaling.enabled=true', 'gateway.autoscaling.enabled=true'];
    expect(budgets(...scaled, 'sfu.autoscaling.minReplicas=4', 'gateway.autoscaling.minReplicas=1')).toMatchObject({
      sfu: { minAvailable: 3, maxUnavailable: undefined },
      gateway: onePod,
    });
    expect(budgets(...scaled, 'sfu.autoscaling.minReplicas=1')).not.toHaveProperty('sfu');
  });

  test('admits SFU nodes on the host network to the brokers, which no selector names', () => {
    const ingressOf = (name: string, ...values: string[]) =>
      find(render(...values), 'NetworkPolicy', `flotilla-${name}`).spec['ingress'];
    for (const name of ['redis', 'rabbitmq']) {
      expect(ingressOf(name), name).toMatchObject([{ from: [{ podSelector: {} }], ports: [{ port: name }] }]);
      for (const exposed of ['sfu.exposure=hostNetwork', 'relay.exposure=hostNetwork'])
        expect(ingressOf(name, exposed), `${name} with ${exposed}`).toEqual([{ ports: [{ port: name }] }]);
    }
  });

  test.each([
    ['to pods of the namespace alone', [], 'namespace'],
    ['to everybody behind an ingress that serves it', [...ingress, 'ingress.rest=true'], 'all'],
    ['to everybody behind a NodePort', ['registry.service.type=NodePort'], 'all'],
    ['to the given peers behind an ingress', [...ingress, 'ingress.rest=true', 'PEERS'], 'peers'],
    ['to the given peers behind a NodePort', ['registry.service.type=NodePort', 'PEERS'], 'peers'],
  ] as const)('opens the REST API %s', (_, values, who) => {
    const peers = 'networkPolicy.restFrom[0].ipBlock.cidr=198.51.100.0/24';
    const objects = render(...values.map((value) => (value === 'PEERS' ? peers : value)));
    const [rest] = find(objects, 'NetworkPolicy', 'flotilla-registry').spec['ingress'] as { from?: unknown[] }[];
    const matchLabels = { 'app.kubernetes.io/name': 'flotilla', 'app.kubernetes.io/instance': 'flotilla' };
    const fleet = { podSelector: { matchLabels } };
    expect(rest).toEqual({
      ports: [{ port: 'rest' }],
      ...(who === 'namespace' && { from: [fleet, { podSelector: {} }] }),
      ...(who === 'peers' && { from: [fleet, { ipBlock: { cidr: '198.51.100.0/24' } }] }),
    });
  });

  test('names the Secret of the certificate that an issuer makes', () => {
    const tlsOf = (...values: string[]) =>
      find(render(...ingress, ...values), 'Ingress', 'flotilla-ingress').spec['tls'];
    expect(tlsOf()).toBeUndefined();
    const hosts = ['calls.example'];
    expect(tlsOf('ingress.tls.clusterIssuer=letsencrypt')).toEqual([{ hosts, secretName: 'flotilla-tls' }]);
    expect(tlsOf('ingress.tls.clusterIssuer=letsencrypt', 'ingress.tls.secretName=mine')).toEqual([
      { hosts, secretName: 'mine' },
    ]);
  });

  test('gives the pods of brokers and of the test call what all pods have', () => {
    const taint = ['redis', 'rabbitmq', 'test'].map((name) => `${name}.tolerations[0].key=dedicated`);
    const objects = render('image.pullSecrets={registry}', 'podLabels.team=calls', ...taint);
    const { metadata: labelled, spec: pod } = find(objects, 'Pod', 'flotilla-test-call');
    const call = { metadata: labelled, spec: pod as unknown as PodSpec };
    const brokers = ['redis', 'rabbitmq'].map((name) => find(objects, 'StatefulSet', `flotilla-${name}`).spec.template);
    for (const { metadata, spec } of [...brokers, call]) {
      expect(metadata.labels).toMatchObject({ team: 'calls' });
      expect(spec).toMatchObject({ imagePullSecrets: [{ name: 'registry' }] });
      const keys = spec.tolerations?.map(({ key }) => key);
      expect(keys).toEqual(['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable', 'dedicated']);
    }
    for (const { spec } of brokers) expect(spec.containers[0]).toHaveProperty('livenessProbe');
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

  test('mirrors a share of the REST requests, and no others, to the registry of a shadow release', () => {
    const mirror = [
      'registry.mirror.percent=10',
      'registry.mirror.service=shadow-registry',
      'registry.mirror.namespace=shadow',
    ];
    const route = ['httpRoute.enabled=true', 'httpRoute.parentRefs[0].name=edge', 'gateway.allowPlain=true'];
    const objects = render(...mirror, ...route, 'httpRoute.rest=true', 'registry.mirror.istio=true');
    const { rules } = find(objects, 'HTTPRoute', 'flotilla-route').spec as unknown as {
      rules: { matches: { path: { value: string } }[]; filters?: unknown[] }[];
    };
    const mirrored = rules.filter(({ filters }) => filters);
    expect(mirrored.map(({ matches }) => matches[0]!.path.value)).toEqual(['/v1']);
    expect(mirrored[0]!.filters).toEqual([
      {
        type: 'RequestMirror',
        requestMirror: { percent: 10, backendRef: { name: 'shadow-registry', port: 8081, namespace: 'shadow' } },
      },
    ]);
    expect(find(objects, 'VirtualService', 'flotilla-registry-mirror').spec).toMatchObject({
      http: [
        {
          mirror: { host: 'shadow-registry.shadow.svc.cluster.local', port: { number: 8081 } },
          mirrorPercentage: { value: 10 },
        },
      ],
    });
    expect(() => render(...mirror)).toThrow(/nothing would mirror/);
    expect(() => render('registry.mirror.percent=10')).toThrow(/registry\.mirror\.service/);
  });

  test('installs the registry alone as a shadow release, in a namespace of the brokers of its own', () => {
    const objects = render(...shadow);
    const names = workloads(objects).map(({ metadata }) => metadata.name);
    expect(names.toSorted()).toEqual(['flotilla-rabbitmq', 'flotilla-redis', 'flotilla-registry']);
    expect(objects.some(({ kind }) => kind === 'Ingress' || kind === 'HTTPRoute')).toBe(false);
    const of = (kind: string) => objects.filter((each) => each.kind === kind).map(({ metadata }) => metadata.name);
    expect(of('Certificate')).toEqual(['flotilla-registry']);
    expect(of('NetworkPolicy').toSorted()).toEqual(names.toSorted());
    const environment = environmentOf(podOf(find(objects, 'Deployment', 'flotilla-registry')));
    expect(loadConfig(configurations.registry, environment)).toMatchObject({
      FLOTILLA_NAMESPACE: 'fl-shadow',
      FLOTILLA_SHADOW_OF: 'fl',
      FLOTILLA_CAPTURE_FILE: '/var/lib/flotilla/capture.jsonl',
      FLOTILLA_CAPTURE_MEGABYTES: 64,
    });
    expect(() => render('shadowOf=fl')).toThrow(/shadow release needs one of its own/);
  });
});
