import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Broker, dataDirectory, removeData } from './broker.ts';
import { startRedis } from './brokers.ts';
import { Child } from './child.ts';
import { freePort } from './free-port.ts';

/** What the sentinels call the primary. */
const primaryName = 'fleet';
const sentinelCount = 3;

/** A Redis with replicas and sentinels, which make a replica the primary about a second after the primary has died. */
export interface RedisWithSentinels {
  /** The first is the primary at the start. */
  readonly servers: readonly Broker[];
  /** Names all sentinels. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a private Redis on free ports of 127.0.0.1: a primary, replicas, and three sentinels. Data is not on disk. */
export async function startRedisWithSentinels({ replicas = 2 } = {}): Promise<RedisWithSentinels> {
  const primary = await startRedis();
  const replicaOf = Number(new URL(primary.url).port);
  const others = await Promise.all(Array.from({ length: replicas }, () => startRedis({ replicaOf })));
  const dir = dataDirectory('flotilla-sentinels-');
  const ports = await Promise.all(Array.from({ length: sentinelCount }, () => freePort()));
  const sentinels = await Promise.all(ports.map((port) => startSentinel(dir, port, replicaOf)));
  const servers = [primary, ...others];
  return {
    servers,
    url: `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(',')}/${primaryName}`,
    stop: async () => {
      await Promise.all([...sentinels, ...servers].map((each) => each.stop()));
      removeData(dir);
    },
  };
}

async function startSentinel(dir: string, port: number, primaryPort: number): Promise<Child> {
  const file = join(dir, `${port}.conf`);
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    `sentinel monitor ${primaryName} 127.0.0.1 ${primaryPort} ${Math.ceil(sentinelCount / 2)}`,
    `sentinel down-after-milliseconds ${primaryName} 1000`,
    `sentinel failover-timeout ${primaryName} 5000`,
  ];
  writeFileSync(file, `${settings.join('\n')}\n`);
  const sentinel = new Child('sentinel', 'redis-server', [file, '--sentinel']);
  await sentinel.line(/\+monitor master/);
  return sentinel;
}
