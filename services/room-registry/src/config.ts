import { tokenConfig } from '@flotilla/auth';
import { brokerConfig, commonConfig, flag, list, port, wholeNumber } from '@flotilla/runtime';
import { z } from 'zod';

export const registryConfig = z.object({
  ...commonConfig.shape,
  ...brokerConfig.shape,
  ...tokenConfig.shape,
  FLOTILLA_REST_HOST: z.string().default('0.0.0.0').describe('Where the REST API listens.'),
  FLOTILLA_REST_PORT: port().default(8081).describe('Port of the REST API. 0 picks a free one.'),
  FLOTILLA_API_KEYS: list()
    .default([])
    .describe('Keys that open the REST API, separated by commas; sent as `Authorization: Bearer <key>`.'),
  FLOTILLA_API_OPEN: flag()
    .default(false)
    .describe('true opens the REST API to everybody who reaches it. For development.'),
  FLOTILLA_RESUME_WINDOW_SECONDS: wholeNumber()
    .default(30)
    .describe('How long a session whose connection was lost may come back.'),
});
export type RegistryConfig = z.output<typeof registryConfig>;
