import { describe, expect, test } from 'vitest';
import { isChaosMeshServed } from '../src/drivers/chaos-mesh/chaos-mesh-driver.ts';
import { manifestFor } from '../src/drivers/chaos-mesh/manifest.ts';
import { lossRules, relayRules } from '../src/drivers/cluster/firewall.ts';
import { relayedPaths } from '../src/drivers/cluster/relayed-paths.ts';
import { carryOutSteps } from '../src/drivers/driver.ts';
import { impairedLinks, type Link, type PathFault } from '../src/drivers/fleet/links.ts';
import { requirePermission } from '../src/drivers/kubernetes/permission.ts';
import { scrapePods } from '../src/drivers/kubernetes/pod-metrics.ts';
import { experiments, lasting } from '../src/manifests/experiment.ts';
import type { Fault } from '../src/manifests/faults.ts';

const named = (name: string) => experiments().find((each) => each.name === name)!;
const faultOf = (name: string) => named(name).steps[0]!.fault as PathFault;

describe('steps', () => {
  const fault = faultOf('delay-redis') as Fault;
  const options = (signal: AbortSignal) => ({ event: () => undefined, signal, nodeInUse: async () => undefined });

  test('are undone before the next begins', async () => {
    const seen: string[] = [];
    const steps = ['a', 'b'].map((name) => ({ name, fault, durationMs: 1 }));
    await carryOutSteps(
      [...steps, { name: 'pause', fault: undefined, durationMs: 1 }],
      async () => {
        seen.push('begun');
        return async () => void seen.push('undone');
      },
      options(new AbortController().signal),
    );
    expect(seen).toEqual(['begun', 'undone', 'begun', 'undone']);
  });

  test('that are stopped are undone at once, and no further one begins', async () => {
    const stopped = new AbortController();
    const seen: string[] = [];
    await carryOutSteps(
      ['a', 'b'].map((name) => ({ name, fault, durationMs: 60_000 })),
      async () => {
        seen.push('begun');
        queueMicrotask(() => stopped.abort());
        return async () => void seen.push('undone');
      },
      options(stopped.signal),
    );
    expect(seen).toEqual(['begun', 'undone']);
  });
});

describe('the paths of a fleet', () => {
  const link = (
    client: string | undefined,
    clientComponent: Link['clientComponent'],
    server: Link['server'],
  ): Link => ({
    client,
    clientComponent,
    server,
    relay: { impair: () => undefined },
  });
  const links = [
    link('gateway-1', 'gateway', 'redis'),
    link('gateway-1', 'gateway', 'rabbitmq'),
    link('registry-1', 'registry', 'redis'),
    link('registry-1', 'registry', 'rabbitmq'),
    link(undefined, undefined, 'registry'),
  ];
  const impaired = (name: string, names: readonly string[]) =>
    impairedLinks(faultOf(name), new Set(names), links).map(({ link: { client, server }, change }) => [
      client,
      server,
      Object.keys(change).join(),
    ]);

  test('of a slow Redis are slow from it to everybody', () => {
    expect(impaired('delay-redis', ['redis'])).toEqual([
      ['gateway-1', 'redis', 'down'],
      ['registry-1', 'redis', 'down'],
    ]);
  });

  test('of a slow registry are slow to both brokers, and in its answers', () => {
    expect(impaired('delay-registry', ['registry-1'])).toEqual([
      ['registry-1', 'redis', 'up'],
      ['registry-1', 'rabbitmq', 'up'],
      [undefined, 'registry', 'down'],
    ]);
  });

  test('from a gateway to Redis leave its others alone', () => {
    expect(impaired('delay-gateway-redis', ['gateway-1'])).toEqual([['gateway-1', 'redis', 'up']]);
  });

  test('of a partition are blocked', () => {
    expect(impaired('partition-registry-rabbitmq', ['registry-1'])).toEqual([['registry-1', 'rabbitmq', 'blocked']]);
  });
});

describe('the rules of nftables', () => {
  test('drop a share of the packets to the addresses of the other end', () => {
    expect(lossRules({ share: 0.1, direction: 'both', addresses: ['10.77.0.1'] })).toBe(`table inet flotilla_chaos {
  chain output { type filter hook output priority 0; policy accept; ip daddr { 10.77.0.1 } numgen random mod 1000000 < 100000 drop; }
  chain input { type filter hook input priority 0; policy accept; ip saddr { 10.77.0.1 } numgen random mod 1000000 < 100000 drop; }
}
`);
  });

  test('of a partition from everything leave the loopback interface', () => {
    const rules = lossRules({ share: 1, direction: 'to', addresses: undefined });
    expect(rules).toContain('policy accept; oifname != "lo" drop;');
    expect(rules).not.toContain('chain input');
  });

  test('lead the connections of a registry through relays, and reset those that are open', () => {
    const brokers = { host: '10.77.0.1', ports: { redis: 6379, rabbitmq: 5672 } };
    const fault = faultOf('delay-registry') as Extract<Fault, { kind: 'delay' }>;
    const rules = relayRules(relayedPaths('registry', fault, brokers));
    for (const rule of [
      'meta skuid != 0 ip daddr 10.77.0.1 tcp dport 6379 redirect to :15001;',
      'meta skuid != 0 ip daddr 10.77.0.1 tcp dport 5672 redirect to :15002;',
      'iifname != "lo" tcp dport 8081 redirect to :15003;',
      'meta skuid != 0 ip daddr 10.77.0.1 tcp dport 5672 reject with tcp reset;',
    ])
      expect(rules).toContain(rule);
  });

  test('of a slow Redis concern the path to it alone, in pods that use it', () => {
    const brokers = { host: '10.77.0.1', ports: { redis: 6379, rabbitmq: 5672 } };
    const fault = faultOf('delay-redis') as Extract<Fault, { kind: 'delay' }>;
    expect(relayedPaths('sfu', fault, brokers).map(({ port }) => port)).toEqual([6379]);
    expect(relayedPaths('console', fault, brokers)).toEqual([]);
  });
});

describe('a manifest for Chaos Mesh', () => {
  test('gets a name of its own, the namespace in every selector, and the duration of the run', () => {
    const manifest = manifestFor(lasting(named('delay-gateway-redis'), 90_000), 'calls', 'x1');
    expect(manifest).toMatchObject({
      metadata: { name: 'delay-gateway-redis-x1', namespace: 'calls' },
      spec: {
        duration: '90s',
        selector: { namespaces: ['calls'] },
        target: { selector: { namespaces: ['calls'] } },
      },
    });
    expect(named('delay-gateway-redis').manifest.metadata.namespace).toBe('flotilla');
  });

  test('of a Workflow gets the deadlines of the steps, and time for them all', () => {
    const { spec } = manifestFor(lasting(named('game-day'), 29_000), 'flotilla', 'x1') as {
      spec: { templates: { name: string; deadline: string }[] };
    };
    const deadline = (name: string) => spec.templates.find((each) => each.name === name)!.deadline;
    expect([deadline('kill-sfu'), deadline('game-day')]).toEqual(['2s', '89s']);
  });

  test('of a fault that is over at once has no duration', () => {
    expect(manifestFor(named('kill-sfu'), 'flotilla', 'x1').spec).not.toHaveProperty('duration');
  });
});

describe('a cluster', () => {
  const deployments = (availableReplicas: number) => async () =>
    ({ items: [{ status: { availableReplicas } }] }) as never;

  test('has Chaos Mesh when it serves its CRDs and a controller is available', async () => {
    const run = async () => 'customresourcedefinition';
    expect(await isChaosMeshServed({ run, get: deployments(1) })).toBe(true);
    expect(await isChaosMeshServed({ run, get: deployments(0) })).toBe(false);
    const missing = async () => Promise.reject(new Error('NotFound'));
    expect(await isChaosMeshServed({ run: missing, get: deployments(1) })).toBe(false);
  });

  test('is refused when its namespace has no label that permits experiments', async () => {
    const labelled = (labels?: Record<string, string>) => ({ get: async () => ({ metadata: { labels } }) as never });
    await expect(requirePermission(labelled(), 'flotilla')).rejects.toThrow(
      'kubectl label namespace flotilla chaos.flotilla.dev/permitted=true',
    );
    await requirePermission(labelled({ 'chaos.flotilla.dev/permitted': 'true' }), 'flotilla');
  });

  test('is scraped pod by pod; one that does not answer is left out, brokers are not asked', async () => {
    const pod = (name: string, component: string) => ({
      metadata: { name, labels: { 'app.kubernetes.io/component': component } },
    });
    const asked: string[] = [];
    const text = async (path: string): Promise<string> => {
      asked.push(path);
      if (path.includes('labelSelector'))
        return JSON.stringify({ items: [pod('a', 'sfu'), pod('b', 'gateway'), pod('c', 'redis')] });
      if (path.includes('/b:')) throw new Error('status 503');
      return 'peers 3\n';
    };
    expect(await scrapePods({ text }, 'flotilla')).toEqual([
      { source: 'a', samples: [{ name: 'peers', labels: {}, value: 3 }] },
    ]);
    expect(asked).toHaveLength(3);
  });
});
