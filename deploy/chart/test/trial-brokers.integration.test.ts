import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectBackplane } from '@flotilla/backplane';
import { type Broker, startRabbitMq, startRedis } from '@flotilla/processes';
import { brokerConfig, createLogger, loadConfig } from '@flotilla/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { find, type KubernetesObject, podOf, render, secretOfSetting, workloads } from './chart.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const namespace = 'trial';

describe('the brokers of the chart, for trials', () => {
  const dir = mkdtempSync(join(tmpdir(), 'flotilla-trial-'));
  let objects: KubernetesObject[];
  let files: Readonly<Record<string, string>>;
  let redis: Broker;
  let rabbitMq: Broker;
  beforeAll(async () => {
    objects = render(`brokerNamespace=${namespace}`);
    files = find(objects, 'Secret', 'flotilla-brokers').stringData!;
    const [aclFile, definitions] = ['redis-users.acl', 'rabbitmq-definitions.json'].map((name) => {
      writeFileSync(join(dir, name), files[name]!);
      return join(dir, name);
    });
    [redis, rabbitMq] = await Promise.all([
      startRedis({ aclFile: aclFile! }),
      startRabbitMq({ conf: [`load_definitions = ${definitions}`] }),
    ]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([redis.stop(), rabbitMq.stop()]);
    rmSync(dir, { recursive: true });
  });

  test('are configured with the mounted files of their users', () => {
    for (const [name, setting, file] of [
      ['redis', 'aclfile ', 'redis-users.acl'],
      ['rabbitmq', 'load_definitions = ', 'rabbitmq-definitions.json'],
    ] as const) {
      expect(files[`${name}.conf`]).toContain(`${setting}/etc/flotilla/${file}\n`);
      const config = podOf(find(objects, 'StatefulSet', `flotilla-${name}`)).volumes!.find(
        (volume) => volume.name === 'config',
      );
      expect(config!.secret!.items).toEqual([`${name}.conf`, file].map((key) => ({ key, path: key })));
    }
  });

  test('accept each service with the user of its own that its pod gets', async () => {
    const users: string[] = [];
    for (const workload of workloads(objects)) {
      const urlOf = (name: string, broker: Broker): URL | undefined => {
        const reference = secretOfSetting(podOf(workload), name);
        if (!reference) return undefined;
        expect(reference.name).toBe('flotilla-brokers');
        const url = new URL(files[reference.key]!);
        url.host = new URL(broker.url).host;
        return url;
      };
      const [redisUrl, amqpUrl] = [urlOf('REDIS_URL', redis), urlOf('AMQP_URL', rabbitMq)];
      if (!redisUrl || !amqpUrl) continue;
      expect(amqpUrl.username).toBe(redisUrl.username);
      users.push(`${workload.metadata.name}: ${redisUrl.username}`);
      const settings = { REDIS_URL: redisUrl.href, AMQP_URL: amqpUrl.href, FLOTILLA_NAMESPACE: namespace };
      const backplane = await connectBackplane(loadConfig(brokerConfig, settings), log);
      expect(backplane.bus.problem() ?? backplane.store.problem()).toBeUndefined();
      await backplane.close();
    }
    expect(users.toSorted()).toEqual(
      ['autoscaler', 'gateway', 'registry', 'relay', 'sfu'].map((name) => `flotilla-${name}: ${namespace}-${name}`),
    );
  });
});
