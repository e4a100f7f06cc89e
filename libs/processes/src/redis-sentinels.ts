import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Broker, dataDirectory, removeData } from './broker.ts';
import { type RedisSettings, startRedis } from './brokers.ts';
import { Child } from './child.ts';
import { freePort } from './free-port.ts';

/** What the sentinels call the primary. */
export const sentinelPrimaryName = 'fleet';
const sentinelCount = 3;

/** A Redis with replicas and sentinels, which make a replica the primary about a second after the primary has died. */
export interface RedisWithSentinels {
  /** The first is the primary at the start. */
  readonly servers: readonly Broker[];
  /** Names all sentinels. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface SentinelSettings {
  /** Default: 2. */
  readonly replicas?: number;
  /** Users and further settings of the servers. */
  readonly server?: Pick<RedisSettings, 'aclFile' | 'conf'>;
  /** Further settings of the sentinels, as lines of a configuration file. They call the primary `sentinelPrimaryName`. */
  readonly sentinelConf?: string;
}

/** Starts a private Redis on free ports of 127.0.0.1: a primary, replicas, and three sentinels. Data is not on disk. */
export async function startRedisWithSentinels(options: SentinelSettings = {}): Promise<RedisWithSentinels> {
  const { replicas = 2, server = {}, sentinelConf = '' } = options;
  const primary = await startRedis(server);
  const replicaOf = Number(new URL(primary.url).port);
  const others = await Promise.all(Array.from({ length: replicas }, () => startRedis({ ...server, replicaOf })));
  const dir = dataDirectory('flotilla-sentinels-');
  const ports = await Promise.all(Array.from({ length: sentinelCount }, () => freePort()));
  const sentinels = await Promise.all(ports.map((port) => startSentinel(dir, port, replicaOf, sentinelConf)));
  const servers = [primary, ...others];
  return {
    servers,
    url: `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(',')}/${sentinelPrimaryName}`,
    stop: async () => {
      await Promise.all([...sentinels, ...servers].map((each) => each.stop()));
      removeData(dir);
    },
  };
}

async function startSentinel(dir: string, port: number, primaryPort: number, conf: string): Promise<Child> {
  const file = join(dir, `${port}.conf`);
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    `sentinel monitor ${sentinelPrimaryName} 127.0.0.1 ${primaryPort} ${Math.ceil(sentinelCount / 2)}`,
    `sentinel down-after-milliseconds ${sentinelPrimaryName} 1000`,
    `sentinel failover-timeout ${sentinelPrimaryName} 5000`,
  ];
  writeFileSync(file, `${settings.join('\n')}\n${conf}`);
  const sentinel = new Child('sentinel', 'redis-server', [file, '--sentinel']);
  await sentinel.line(/\+monitor master/);
  return sentinel;
}
