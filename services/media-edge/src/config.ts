import { isAbsolute } from 'node:path';
import { apiKeyList } from '@flotilla/auth';
import {
  announcedAddress,
  checkAnnounced,
  checkRegistryTls,
  checkServerTls,
  commonConfig,
  flag,
  listenAddress,
  loopbackAddress,
  port,
  portRange,
  registryClientConfig,
  serverLimitsConfig,
  servingConfig,
  wholeNumber,
} from '@flotilla/runtime';
import { z } from 'zod';

const settings = z.object({
  ...commonConfig.shape,
  ...servingConfig.shape,
  ...serverLimitsConfig.shape,
  FLOTILLA_EDGE_HOST: listenAddress()
    .default('0.0.0.0')
    .describe('Address that the REST API of the media edge listens on.'),
  FLOTILLA_EDGE_PORT: port().default(8084).describe('Port of the REST API of the media edge. 0 chooses a free one.'),
  FLOTILLA_EDGE_TLS_CERT: z
    .string()
    .optional()
    .describe(
      'Path of the certificate with its chain, in PEM, with which this REST API is served over TLS. Read again when it changes.',
    ),
  FLOTILLA_EDGE_TLS_KEY: z.string().optional().describe('Path of the private key of FLOTILLA_EDGE_TLS_CERT, in PEM.'),
  FLOTILLA_API_KEYS: apiKeyList()
    .default([])
    .describe(
      'Accepted keys of this REST API, as those of the room registry: the scope `rooms` creates and ends ingests and recordings, `read` lists them.',
    ),
  FLOTILLA_API_OPEN: flag().default(false).describe('true serves this REST API without a key. For development.'),
  FLOTILLA_API_REQUESTS_PER_SECOND: wholeNumber()
    .min(1)
    .default(200)
    .describe('REST requests per second of one API key; bursts of three times as many.'),
  ...registryClientConfig.shape,
  FLOTILLA_API_KEY: z
    .string()
    .optional()
    .describe(
      'API key of the room registry that join tokens of ingests and recordings are requested with. It needs the scope `tokens`.',
    ),
  FLOTILLA_SIGNAL_URL: z
    .url({ protocol: /^(?:http|ws)s?$/, error: 'wss://HOST is expected' })
    .default('http://127.0.0.1:8080')
    .describe('URL of a signaling gateway, such as wss://calls.example.'),
  FLOTILLA_EDGE_LISTEN_IP: z
    .union([z.ipv4(), z.ipv6()])
    .default(loopbackAddress)
    .describe('Address that RTP is received on. 0.0.0.0 for all; then set the announced address.'),
  FLOTILLA_EDGE_ANNOUNCED_ADDRESS: announcedAddress()
    .optional()
    .describe('Address that senders send RTP to, where it is not the one listened on.'),
  FLOTILLA_EDGE_RTP_PORTS: z
    .string()
    .refine((text) => portRange().safeParse(text).success, 'a range such as 42000-42399 is expected')
    .default('42000-42399')
    .describe('UDP ports for RTP: two for each audio and each video that is sent to the edge.'),
  FLOTILLA_EDGE_INGESTS: wholeNumber().min(1).max(1000).default(50).describe('Maximum number of ingests.'),
  FLOTILLA_EDGE_STREAM_BITS_PER_SECOND: wholeNumber()
    .min(100_000)
    .max(1_000_000_000)
    .default(20_000_000)
    .describe(
      'Bits per second of one audio or video that a source may send, in bursts of one second. More is dropped.',
    ),
  FLOTILLA_EDGE_GIVE_UP_SECONDS: wholeNumber()
    .min(10)
    .max(604_800)
    .default(86_400)
    .describe(
      'Seconds without being live after which an ingest fails for good, and a recording without being in its room.',
    ),
  FLOTILLA_EDGE_RECORDINGS_DIR: z
    .string()
    .refine(isAbsolute, 'an absolute path is expected')
    .optional()
    .describe(
      'Folder for recordings, each in a folder of its own. Created if it does not exist. Default: this edge does not record.',
    ),
  FLOTILLA_EDGE_RECORDINGS: wholeNumber()
    .min(1)
    .max(1000)
    .default(10)
    .describe('Maximum number of recordings at once.'),
  FLOTILLA_EDGE_RECORDING_TRACKS: wholeNumber()
    .min(1)
    .max(10_000)
    .default(500)
    .describe('Maximum number of tracks of a recording, ended ones included. Further tracks are left out.'),
  FLOTILLA_EDGE_RECORDING_IDLE_SECONDS: wholeNumber()
    .min(10)
    .max(604_800)
    .default(300)
    .describe('Seconds without a publication in the room after which a recording ends.'),
  FLOTILLA_EDGE_RECORDINGS_MIN_FREE_BYTES: wholeNumber()
    .default(2 ** 30)
    .describe(
      'Bytes that have to be free in FLOTILLA_EDGE_RECORDINGS_DIR. With less, no recording begins, and those that run end.',
    ),
});

export const mediaEdgeConfig = settings
  .superRefine(checkServerTls('edge'))
  .superRefine(checkRegistryTls)
  .superRefine((config, context) =>
    checkAnnounced(config, context, {
      listensAt: 'FLOTILLA_EDGE_LISTEN_IP',
      announces: 'FLOTILLA_EDGE_ANNOUNCED_ADDRESS',
    }),
  );
export type MediaEdgeConfig = z.output<typeof settings>;

/** The range of FLOTILLA_EDGE_RTP_PORTS. */
export const rtpPortsOf = (config: MediaEdgeConfig): { min: number; max: number } =>
  portRange().parse(config.FLOTILLA_EDGE_RTP_PORTS);
