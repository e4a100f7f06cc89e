import {
  breakerConfig,
  checkRegistryTls,
  checkServerTls,
  commonConfig,
  flag,
  listenAddress,
  port,
  registryClientConfig,
  serverLimitsConfig,
  servingConfig,
} from '@flotilla/runtime';
import { z } from 'zod';

/** Where the operations page has the figures of the objectives from. */
export const prometheusConfig = z.object({
  FLOTILLA_PROMETHEUS_URL: z
    .url({ protocol: /^https?$/, error: 'https://HOST is expected' })
    .refine((url) => !URL.canParse(url) || new URL(url).username === '', 'a user in the URL is not supported')
    .optional()
    .describe(
      'URL of the Prometheus that has the rules of deploy/observability, such as http://prometheus:9090. The operations page shows their burn rates and alerts. Default: it shows none.',
    ),
  FLOTILLA_PROMETHEUS_MATCHERS: z
    .string()
    .regex(/^([a-zA-Z_]\w*="[^"\\\n]*"(,(?=[a-zA-Z_])|$))*$/, 'LABEL="VALUE",LABEL="VALUE" is expected')
    .default('')
    .describe(
      'Labels of the series of this fleet there, such as namespace="calls", for a Prometheus with those of several. Default: all series count.',
    ),
});

const settings = z.object({
  ...commonConfig.shape,
  ...servingConfig.shape,
  ...serverLimitsConfig.shape,
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
  ...prometheusConfig.shape,
});

export const consoleConfig = settings.superRefine(checkServerTls('console')).superRefine(checkRegistryTls);
export type ConsoleConfig = z.output<typeof consoleConfig>;
