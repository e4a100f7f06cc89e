import { type BrokerConfig, certificateProblems, ConfigError, listenProblem, loadConfig } from '@flotilla/runtime';
import type { z } from 'zod';
import { rabbitMqAddress, redisAddress } from './backplane.ts';
import { rabbitMqProblem, redisProblem } from './broker-check.ts';

/** Settings of address and port of each server. */
const servers = [
  ['FLOTILLA_ADMIN_HOST', 'FLOTILLA_ADMIN_PORT'],
  ['FLOTILLA_SIGNAL_HOST', 'FLOTILLA_SIGNAL_PORT'],
  ['FLOTILLA_REST_HOST', 'FLOTILLA_REST_PORT'],
  ['FLOTILLA_CONSOLE_HOST', 'FLOTILLA_CONSOLE_PORT'],
  ['FLOTILLA_EDGE_HOST', 'FLOTILLA_EDGE_PORT'],
] as const;
/** Settings of the addresses and the first port that media is received on, and of the number of ports. */
const media = [
  ['FLOTILLA_SFU_LISTEN_IPS', 'FLOTILLA_SFU_PORT_BASE', 'FLOTILLA_SFU_WORKERS'],
  ['FLOTILLA_RELAY_LISTEN_IPS', 'FLOTILLA_RELAY_PORT', undefined],
] as const;

type Values = Readonly<Record<string, unknown>>;

/**
 * Checks the configuration of a service without starting it: its settings, whether Redis and RabbitMQ accept it, whether
 * its ports are free, and whether its certificates can be used. Returns one line for each problem, with its cure; none when the service can start.
 */
export async function checkConfiguration(
  schema: z.ZodObject,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string[]> {
  let config: Values;
  try {
    config = loadConfig(schema, env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [...error.problems];
  }
  const { REDIS_URL: redis, AMQP_URL: rabbitMq } = config;
  const found = await Promise.all([
    typeof redis === 'string' ? redisProblem('REDIS_URL', redisAddress(config as BrokerConfig)) : undefined,
    typeof rabbitMq === 'string' ? rabbitMqProblem('AMQP_URL', rabbitMqAddress(config as BrokerConfig)) : undefined,
    ...servers.map(([host, port]) => serverProblem(config, host, port)),
    ...media.map(([ips, port, count]) => mediaProblem(config, ips, port, count)),
  ]);
  return [...found.filter((problem) => problem !== undefined), ...(await certificateProblems(config))];
}

async function serverProblem(config: Values, host: string, port: string): Promise<string | undefined> {
  const { [host]: address, [port]: number } = config;
  if (typeof address !== 'string' || typeof number !== 'number') return undefined;
  const problem = await listenProblem('tcp', address, number);
  return problem && `${port}: ${problem}`;
}

async function mediaProblem(
  config: Values,
  ips: string,
  port: string,
  count: string | undefined,
): Promise<string | undefined> {
  const { [ips]: addresses, [port]: first } = config;
  if (!Array.isArray(addresses) || typeof first !== 'number') return undefined;
  const ports = first === 0 ? [0] : Array.from({ length: count ? Number(config[count]) : 1 }, (_, nth) => first + nth);
  for (const address of addresses as string[]) {
    for (const number of ports) {
      for (const protocol of ['udp', 'tcp'] as const) {
        const problem = await listenProblem(protocol, address, number);
        if (problem) return `${port}: ${problem}`;
      }
    }
  }
  return undefined;
}
