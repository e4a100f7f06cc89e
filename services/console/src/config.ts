import {
  breakerConfig,
  checkRegistryTls,
  checkServerTls,
  commonConfig,
  flag,
  listenAddress,
  port,
  registryClientConfig,
  servingConfig,
} from '@flotilla/runtime';
import { z } from 'zod';

const settings = z.object({
  ...commonConfig.shape,
  ...servingConfig.shape,
  ...breakerConfig.shape,
  FLOTILLA_CONSOLE_HOST: listenAddress().default('0.0.0.0').describe('Address that the console listens on.'),
  FLOTILLA_CONSOLE_PORT: port().default(8082).describe('Port of the console. 0 picks a free port.'),
  FLOTILLA_CONSOLE_OPEN: flag()
    .default(false)
    .describe('true lets every visitor of the console join any room. false makes the call page ask for a join token.'),
  FLOTILLA_CONSOLE_TLS_CERT: z
    .string()
    .optional()
    .describe(
      'Path of the certificate with its chain, in PEM, with which the console is served over TLS. Read again when it changes.',
    ),
  FLOTILLA_CONSOLE_TLS_KEY: z
    .string()
    .optional()
    .describe('Path of the private key of FLOTILLA_CONSOLE_TLS_CERT, in PEM.'),
  ...registryClientConfig.shape,
  FLOTILLA_API_KEY: z.string().optional().describe('API key that an open console requests join tokens with.'),
  FLOTILLA_SIGNAL_URL: z
    .url({ protocol: /^(?:http|ws)s?$/, error: 'wss://HOST is expected' })
    .optional()
    .describe('URL of signaling for the pages, such as wss://calls.example. Default: the host that served the page.'),
});

export const consoleConfig = settings.superRefine(checkServerTls('console')).superRefine(checkRegistryTls);
export type ConsoleConfig = z.output<typeof consoleConfig>;
