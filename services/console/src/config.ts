import { commonConfig, flag, port } from '@flotilla/runtime';
import { z } from 'zod';

export const consoleConfig = z.object({
  ...commonConfig.shape,
  FLOTILLA_CONSOLE_HOST: z.string().default('0.0.0.0').describe('Where the console listens.'),
  FLOTILLA_CONSOLE_PORT: port().default(8082).describe('Port of the console. 0 picks a free one.'),
  FLOTILLA_CONSOLE_OPEN: flag()
    .default(false)
    .describe('true lets everybody who reaches the console join any room. Otherwise the page wants a join token.'),
  FLOTILLA_REGISTRY_URL: z.url().default('http://127.0.0.1:8081').describe('The REST API, to get tokens from.'),
  FLOTILLA_API_KEY: z.string().optional().describe('The key that an open console gets join tokens with.'),
  FLOTILLA_SIGNAL_URL: z
    .url()
    .optional()
    .describe('Where pages find signaling, such as wss://calls.example. Default: the host the page came from.'),
});
export type ConsoleConfig = z.output<typeof consoleConfig>;
