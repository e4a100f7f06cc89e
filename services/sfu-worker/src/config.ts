import { NodeId } from '@flotilla/contracts';
import {
  announcedAddress,
  announcedAddresses,
  announcedConfig,
  brokerConfig,
  checkAnnounced,
  commonConfig,
  flag,
  instanceConfig,
  ipList,
  loopbackAddress,
  port,
  portRange,
  usableCores,
  wholeNumber,
} from '@flotilla/runtime';
import { isIP } from 'node:net';
import { z } from 'zod';

const maxPort = 65_535;

/** The settings of an SFU node, besides those of logs, metrics and brokers. */
export const nodeConfig = z.object({
  ...instanceConfig.shape,
  ...announcedConfig.shape,
  FLOTILLA_NODE_ID: NodeId.optional().describe('Id of this node, such as nd_eu-1. Default: a new id at each start.'),
  FLOTILLA_REVISION: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,63}$/, 'letters, digits, dots, dashes and underscores')
    .optional()
    .describe(
      'What this node is rolled out with, such as the hash of its pod template. Participants of draining nodes are moved to nodes of the newest one first.',
    ),
  FLOTILLA_SFU_WORKERS: wholeNumber()
    .min(1)
    .max(256)
    .default(Math.max(1, Math.floor(usableCores())))
    .describe('mediasoup workers, one core each. Default: one per core that the process may use, by its CPU limit.'),
  FLOTILLA_SFU_SPREAD_LOAD: wholeNumber()
    .min(1)
    .max(100_000)
    .default(400)
    .describe(
      'Sessions and consumers of a mediasoup worker from which on further participants of its rooms are assigned to other workers of the node. Its CPU has the same effect.',
    ),
  FLOTILLA_SFU_CAPACITY: wholeNumber()
    .min(1)
    .default(200)
    .describe('Maximum number of sessions that are assigned to this node.'),
  FLOTILLA_DRAIN_SECONDS: wholeNumber()
    .default(20)
    .describe(
      'Seconds within which a stopping node waits for its participants to be migrated. Keep it below FLOTILLA_SHUTDOWN_SECONDS. 0 ends their media at once; clients open it again on another node.',
    ),
  FLOTILLA_DRILLS: flag()
    .default(false)
    .describe(
      'true lets sessions with the grant `admin` and holders of an API key kill this node and its media workers. See docs/drills.md.',
    ),
  FLOTILLA_SFU_LISTEN_IPS: ipList()
    .default([loopbackAddress])
    .describe(
      'Addresses that media is received on, separated by commas. 0.0.0.0 for all; then set the announced address. Firefox ignores 127.0.0.1.',
    ),
  FLOTILLA_SFU_ANNOUNCED_ADDRESS: announcedAddresses()
    .optional()
    .describe(
      'Addresses that clients send media to, separated by commas, where they are not those listened on: one at most for each of these, of the same family.',
    ),
  FLOTILLA_SFU_PORT_BASE: port()
    .default(0)
    .describe('Worker n receives on this port plus n, UDP and TCP. 0: free ports.'),
  FLOTILLA_SFU_MAX_PUBLISH_BITRATE: wholeNumber()
    .min(30_000)
    .max(1_000_000_000)
    .default(20_000_000)
    .describe(
      'Maximum bit rate of all that a participant publishes together, in bit/s. Rooms and tokens can set lower ones (`maxPublishBitrate`).',
    ),
  FLOTILLA_SFU_PIPE_IP: z
    .union([z.ipv4(), z.ipv6()], 'an IP address is expected')
    .default('127.0.0.1')
    .describe('Address at which this node receives media of other nodes.'),
  FLOTILLA_SFU_PIPE_ANNOUNCED_ADDRESS: announcedAddress()
    .refine((address) => isIP(address) !== 0, 'an IP address is expected: media workers look up no names')
    .optional()
    .describe('Address that other nodes send to, if it is not the one listened on.'),
  FLOTILLA_SFU_PIPE_PORTS: portRange()
    .optional()
    .describe(
      'UDP ports that this node receives the media of other nodes on, such as 41000-41999: one for each room and other node that share publications, and one that answers the probes of other nodes. Default: any free ports.',
    ),
});

/**
 * Reports addresses that nobody can connect to, and ports of workers that do not exist or are those of pipes too, on a host with this
 * number of nodes.
 */
export function checkMediaAddresses(
  settings: Omit<NodeConfig, 'FLOTILLA_NODE_ID'>,
  context: z.RefinementCtx,
  nodes = 1,
): void {
  const listensAt = 'FLOTILLA_SFU_LISTEN_IPS';
  checkAnnounced(settings, context, { listensAt, announces: 'FLOTILLA_SFU_ANNOUNCED_ADDRESS' });
  const pipeIp = 'FLOTILLA_SFU_PIPE_IP';
  checkAnnounced(settings, context, { listensAt: pipeIp, announces: 'FLOTILLA_SFU_PIPE_ANNOUNCED_ADDRESS' });
  const { FLOTILLA_SFU_PIPE_PORTS: pipes, FLOTILLA_SFU_PORT_BASE: base, FLOTILLA_SFU_WORKERS } = settings;
  const workers = nodes * FLOTILLA_SFU_WORKERS;
  if (base + workers - 1 > maxPort)
    context.addIssue({
      code: 'custom',
      path: ['FLOTILLA_SFU_PORT_BASE'],
      message: `${workers} workers need the ports ${base} to ${base + workers - 1}, and the last port is ${maxPort}`,
    });
  if (!pipes || base === 0 || pipes.max < base || pipes.min >= base + workers) return;
  context.addIssue({
    code: 'custom',
    path: ['FLOTILLA_SFU_PIPE_PORTS'],
    message: `ports ${base} to ${base + workers - 1} are those of the workers (FLOTILLA_SFU_PORT_BASE)`,
  });
}

export type NodeConfig = z.output<typeof nodeConfig>;

export const sfuWorkerConfig = z
  .object({ ...commonConfig.shape, ...brokerConfig.shape, ...nodeConfig.shape })
  .superRefine((settings, context) => checkMediaAddresses(settings, context));

/** Where other services reach the admin port of this process; undefined when it is any free port. */
export function adminAddress({
  FLOTILLA_ADMIN_HOST: host,
  FLOTILLA_ADMIN_PORT: port,
  FLOTILLA_SFU_PIPE_IP: ip,
  FLOTILLA_SFU_PIPE_ANNOUNCED_ADDRESS: announced = ip,
}: z.output<typeof sfuWorkerConfig>): string | undefined {
  const isAny = host === '0.0.0.0' || host === '::';
  return port === 0 ? undefined : `${isAny ? announced : host}:${port}`;
}
