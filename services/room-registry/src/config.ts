import { checkTokens, tokenConfig } from '@flotilla/auth';
import { brokerConfig, commonConfig, flag, list, port, servingConfig, wholeNumber } from '@flotilla/runtime';
import { z } from 'zod';

export const registryConfig = z
  .object({
    ...commonConfig.shape,
    ...servingConfig.shape,
    ...brokerConfig.shape,
    ...tokenConfig.shape,
    FLOTILLA_REST_HOST: z.string().default('0.0.0.0').describe('Address that the REST API listens on.'),
    FLOTILLA_REST_PORT: port().default(8081).describe('Port of the REST API. 0 chooses a free one.'),
    FLOTILLA_API_KEYS: list()
      .default([])
      .describe('Accepted keys of the REST API, separated by commas; sent as `Authorization: Bearer <key>`.'),
    FLOTILLA_API_OPEN: flag().default(false).describe('true serves the REST API without a key. For development.'),
    FLOTILLA_RESUME_WINDOW_SECONDS: wholeNumber()
      .default(30)
      .describe('Seconds within which a session whose connection was lost may resume.'),
    FLOTILLA_REMOVE_DEAD_SECONDS: wholeNumber()
      .min(5)
      .default(600)
      .describe(
        'Seconds without a heartbeat after which a metadata relay, or an SFU node without assignments, is no longer listed.',
      ),
  })
  .superRefine(checkTokens);
export type RegistryConfig = z.output<typeof registryConfig>;
