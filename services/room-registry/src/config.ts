import { apiKeyList, checkTokens, tokenConfig } from '@flotilla/auth';
import {
  brokerConfig,
  checkServerTls,
  commonConfig,
  flag,
  listenAddress,
  port,
  serverLimitsConfig,
  servingConfig,
  wholeNumber,
} from '@flotilla/runtime';
import { maxResumeWindowSeconds } from '@flotilla/store';
import { z } from 'zod';
import { checkShadow } from './mirror/shadow.ts';

export const registryConfig = z
  .object({
    ...commonConfig.shape,
    ...servingConfig.shape,
    ...serverLimitsConfig.shape,
    ...brokerConfig.shape,
    ...tokenConfig.shape,
    FLOTILLA_REST_HOST: listenAddress().default('0.0.0.0').describe('Address that the REST API listens on.'),
    FLOTILLA_REST_PORT: port().default(8081).describe('Port of the REST API. 0 chooses a free one.'),
    FLOTILLA_REST_TLS_CERT: z
      .string()
      .optional()
      .describe(
        'Path of the certificate with its chain, in PEM, with which the REST API is served over TLS. Read again when it changes. Default: plain HTTP, which exposes API keys to the network.',
      ),
    FLOTILLA_REST_TLS_KEY: z.string().optional().describe('Path of the private key of FLOTILLA_REST_TLS_CERT, in PEM.'),
    FLOTILLA_REST_TLS_CLIENT_CA: z
      .string()
      .optional()
      .describe(
        'Path of the authority, in PEM, that must have signed the certificate of every client of the REST API. Read again when it changes. Default: clients need no certificate.',
      ),
    FLOTILLA_API_KEYS: apiKeyList()
      .default([])
      .describe(
        'Accepted keys of the REST API, separated by commas or line breaks: NAME:SCOPE+SCOPE:HASH or NAME@TENANT:SCOPE+SCOPE:HASH, with the SHA-256 of the key in hexadecimal, and `*` for all scopes (docs/authorization.md). `npm run api-key` makes one.',
      ),
    FLOTILLA_API_REQUESTS_PER_SECOND: wholeNumber()
      .min(1)
      .default(200)
      .describe('REST requests per second of one API key; bursts of three times as many.'),
    FLOTILLA_API_OPEN: flag().default(false).describe('true serves the REST API without a key. For development.'),
    FLOTILLA_RESUME_WINDOW_SECONDS: wholeNumber()
      .max(maxResumeWindowSeconds)
      .default(30)
      .describe('Seconds within which a session whose connection was lost may resume.'),
    FLOTILLA_REMOVE_DEAD_SECONDS: wholeNumber()
      .min(5)
      .default(600)
      .describe(
        'Seconds without a heartbeat after which a metadata relay, or an SFU node without assignments, is no longer listed.',
      ),
    FLOTILLA_SHADOW_OF: z
      .string()
      .regex(/^[a-z0-9-]{1,32}$/)
      .optional()
      .describe(
        'FLOTILLA_NAMESPACE of the production release whose mirrored REST requests this one serves. Makes it a shadow release: it refuses to start in that namespace, or in one with SFU nodes, and marks its responses (docs/operations/mirror.md).',
      ),
    FLOTILLA_CAPTURE_FILE: z
      .string()
      .optional()
      .describe(
        'Path of a file to which every REST response whose request has an X-Request-Id or traceparent is written without its secrets, for `npm run compare` (docs/operations/mirror.md). The previous one is kept with the suffix .1. Default: nothing is written.',
      ),
    FLOTILLA_CAPTURE_MEGABYTES: wholeNumber()
      .min(1)
      .max(4096)
      .default(64)
      .describe(
        'Maximum size of FLOTILLA_CAPTURE_FILE and the previous one together, in megabytes of 1,000,000 bytes.',
      ),
  })
  .superRefine(checkServerTls('registry'))
  .superRefine(checkShadow)
  .superRefine(checkTokens);
export type RegistryConfig = z.output<typeof registryConfig>;
