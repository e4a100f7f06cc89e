import { z } from 'zod';

/** Settings of `flotilla check-call`. */
export const callConfig = z.object({
  FLOTILLA_SIGNAL_URL: z.url({ protocol: /^(https?|wss?)$/ }).describe('URL of a gateway.'),
  FLOTILLA_REGISTRY_URL: z.url({ protocol: /^https?$/ }).describe('URL of the REST API.'),
  FLOTILLA_API_KEY: z.string().describe('API key with the scopes `rooms` and `tokens`.'),
});
