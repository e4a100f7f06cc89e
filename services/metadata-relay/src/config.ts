import { clockConfig } from '@flotilla/clock';
import { RelayId } from '@flotilla/contracts';
import {
  announcedAddresses,
  announcedConfig,
  brokerConfig,
  checkAnnounced,
  commonConfig,
  ipList,
  loopbackAddress,
  port,
  wholeNumber,
} from '@flotilla/runtime';
import { z } from 'zod';

/** What is the relay's own, apart from logs, metrics and brokers. */
export const relayConfig = z.object({
  ...announcedConfig.shape,
  ...clockConfig.shape,
  FLOTILLA_RELAY_ID: RelayId.optional().describe('Id of this relay, such as rl_eu-1. Default: a new id at each start.'),
  FLOTILLA_RELAY_CAPACITY: wholeNumber()
    .min(1)
    .default(1000)
    .describe('Maximum number of clients with links to this relay.'),
  FLOTILLA_RELAY_FRAMES_PER_SECOND: wholeNumber()
    .min(1)
    .default(1000)
    .describe('Frames per second that one client may send, in bursts of twice as many. More are dropped.'),
  FLOTILLA_RELAY_BYTES_PER_SECOND: wholeNumber()
    .min(1)
    .default(8_388_608)
    .describe('Bytes per second that one client may send, in bursts of twice as many. More are dropped.'),
  FLOTILLA_RELAY_ROOM_BYTES_PER_SECOND: wholeNumber()
    .min(1)
    .default(33_554_432)
    .describe(
      'Bytes per second of the frames of one room, counted once as received and once per subscriber, each with at least 512, in bursts of twice as many. More are dropped, those of clients that send little last.',
    ),
  FLOTILLA_DRAIN_SECONDS: wholeNumber()
    .default(20)
    .describe(
      'Seconds within which a stopping relay lets its clients move to other relays. Keep it below FLOTILLA_SHUTDOWN_SECONDS. 0 disconnects them at once.',
    ),
  FLOTILLA_RELAY_LISTEN_IPS: ipList()
    .default([loopbackAddress])
    .describe(
      'Addresses that clients connect to, separated by commas. 0.0.0.0 for all; then set the announced address. Firefox ignores 127.0.0.1.',
    ),
  FLOTILLA_RELAY_ANNOUNCED_ADDRESS: announcedAddresses()
    .optional()
    .describe(
      'Addresses that clients connect to, separated by commas, where they are not those listened on: one at most for each of these, of the same family.',
    ),
  FLOTILLA_RELAY_PORT: port().default(0).describe('Port for clients, UDP and TCP. 0 picks a free one.'),
});
export type RelayConfig = z.output<typeof relayConfig>;

/** Reports addresses that nobody can connect to. */
export const checkRelayAddresses = (settings: Omit<RelayConfig, 'FLOTILLA_RELAY_ID'>, context: z.RefinementCtx): void =>
  checkAnnounced(settings, context, {
    listensAt: 'FLOTILLA_RELAY_LISTEN_IPS',
    announces: 'FLOTILLA_RELAY_ANNOUNCED_ADDRESS',
  });

export const metadataRelayConfig = z
  .object({ ...commonConfig.shape, ...brokerConfig.shape, ...relayConfig.shape })
  .superRefine(checkRelayAddresses);
