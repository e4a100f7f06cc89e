import { checkRegistryTls, registryClientConfig } from '@flotilla/runtime';
import { z } from 'zod';

const settings = z.object({
  FLOTILLA_SIGNAL_URL: z.url({ protocol: /^(https?|wss?)$/ }).describe('URL of a gateway.'),
  ...registryClientConfig.shape,
  FLOTILLA_API_KEY: z.string().describe('API key with the scopes `rooms` and `tokens`.'),
});

/** Settings of `flotilla check-call`. */
export const callConfig = settings.superRefine(checkRegistryTls);
