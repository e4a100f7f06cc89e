// Redis and RabbitMQ outside the nodes, as services that a platform team runs elsewhere.
import { mkdirSync, writeFileSync } from 'node:fs';
import { startInBackground } from './background.ts';
import { inNetwork } from './command.ts';
import { accepts } from './network.ts';
import { controlPlaneAddress, controlPlaneNamespace, namespacePath, statePath } from './settings.ts';

export const brokerPorts = { redis: 6379, rabbitmq: 5672 } as const;

const network = namespacePath(controlPlaneNamespace);

export function startRedis(): void {
  const dir = statePath('redis');
  mkdirSync(dir, { recursive: true });
  const settings = { bind: controlPlaneAddress, 'protected-mode': 'no', save: '', appendonly: 'no', dir };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  startInBackground('redis', ...inNetwork(network, 'redis-server', args), { kind: 'path' });
}

export async function startRabbitMq(): Promise<void> {
  const dir = statePath('rabbitmq');
  mkdirSync(dir, { recursive: true });
  const file = (name: string): string => `${dir}/${name}`;
  writeFileSync(file('enabled_plugins'), '[].\n');
  writeFileSync(
    file('rabbitmq.conf'),
    [
      `listeners.tcp.1 = ${controlPlaneAddress}:${brokerPorts.rabbitmq}`,
      // The nodes are not this host, from which alone the default user may connect.
      'loopback_users = none',
      'log.console = true',
      'log.file = false',
      'vm_memory_high_watermark.absolute = 1GB',
      'disk_free_limit.absolute = 100MB',
      '',
    ].join('\n'),
  );
  const env = {
    HOME: dir,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: 'flotilla@localhost',
    RABBITMQ_BASE: dir,
    RABBITMQ_CONFIG_FILE: file('rabbitmq.conf'),
    RABBITMQ_MNESIA_BASE: file('mnesia'),
    RABBITMQ_LOG_BASE: file('log'),
    RABBITMQ_PID_FILE: file('pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_GENERATED_CONFIG_DIR: file('config'),
    RABBITMQ_FEATURE_FLAGS_FILE: file('feature_flags'),
  };
  // The server would start the port mapper as a daemon outside its process group.
  startInBackground('epmd', ...inNetwork(network, 'epmd', []), { env });
  await accepts('127.0.0.1', 4369);
  startInBackground('rabbitmq', ...inNetwork(network, '/usr/lib/rabbitmq/bin/rabbitmq-server', []), {
    env,
    kind: 'path',
  });
}

export async function brokersReady(): Promise<void> {
  await Promise.all(Object.values(brokerPorts).map((port) => accepts(controlPlaneAddress, port)));
}
