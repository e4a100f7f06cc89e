import { clientTimeConfig, tokenConfig } from '@flotilla/auth';
import { brokerConfig, commonConfig, flag, list, port, wholeNumber } from '@flotilla/runtime';
import { z } from 'zod';
import { trustOf } from './edge/client-connection.ts';

/** Whose word on a connection counts. */
export const proxyTrustConfig = z.object({
  FLOTILLA_TRUSTED_PROXIES: list()
    .superRefine((ranges, context) => {
      for (const range of ranges) {
        try {
          trustOf([range]);
        } catch {
          context.addIssue(`${range} is no IP address or CIDR range, such as 10.0.0.0/8 or 2001:db8::1`);
        }
      }
    })
    .default([])
    .describe(
      'Addresses or CIDR ranges, separated by commas, of the proxies whose X-Forwarded-For, X-Forwarded-Proto and PROXY headers count. They must overwrite or append to those that clients send.',
    ),
  FLOTILLA_ALLOW_PLAIN: flag()
    .default(false)
    .describe(
      'true serves clients that did not come over TLS. For a mesh that encrypts by itself; tokens can be read along otherwise.',
    ),
});

/** How much a gateway takes on, from whom, and what it does when that is too much. docs/limits.md is made from it. */
export const limitsConfig = z.object({
  FLOTILLA_MAX_CONNECTIONS: wholeNumber().min(1).default(12_000).describe('Connections of one gateway.'),
  FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: wholeNumber()
    .min(1)
    .default(500)
    .describe('Connections from one address. An office behind NAT is one address.'),
  FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS: wholeNumber()
    .min(1)
    .default(50)
    .describe('New connections a second from one address; ten times as many at once.'),
  FLOTILLA_MESSAGES_PER_SECOND: wholeNumber()
    .min(1)
    .default(100)
    .describe('Messages a second from one session; three times as many at once.'),
  FLOTILLA_MESSAGES_PER_SECOND_PER_ADDRESS: wholeNumber()
    .min(1)
    .default(2000)
    .describe('Messages a second from all sessions of one address; three times as many at once.'),
  FLOTILLA_MAX_ROOMS_PER_SESSION: wholeNumber().min(1).default(16).describe('Rooms one session is in.'),
  FLOTILLA_OVERLOAD_DELAY_MS: wholeNumber()
    .min(1)
    .default(500)
    .describe(
      'Event-loop delay (99th percentile of a second) above which new sessions and joins are refused; above four times as much also resumes, and messages outside rooms.',
    ),
});

/** How long a session lasts without its client. */
export const sessionConfig = z.object({
  FLOTILLA_RESUME_WINDOW_SECONDS: wholeNumber()
    .default(30)
    .describe('How long a session whose connection was lost may come back.'),
  FLOTILLA_HEARTBEAT_SECONDS: wholeNumber()
    .min(1)
    .default(10)
    .describe('How often a connection is asked for a sign of life. After three without one it is closed.'),
  FLOTILLA_DRAIN_SECONDS: wholeNumber()
    .default(10)
    .describe(
      'A gateway that stops sends its sessions to others over this long. Keep it below FLOTILLA_SHUTDOWN_SECONDS. 0 cuts them at once; they come back by themselves.',
    ),
});

/** What the gateway needs in whichever process it runs. */
export const edgeConfig = z.object({
  ...clientTimeConfig.shape,
  ...proxyTrustConfig.shape,
  ...limitsConfig.shape,
  ...sessionConfig.shape,
  FLOTILLA_ALLOWED_ORIGINS: list()
    .default([])
    .describe(
      "Origins whose pages may connect, separated by commas, or * for all. Without any, only pages from the gateway's own host may.",
    ),
});
export type EdgeConfig = z.output<typeof edgeConfig>;

export const gatewayConfig = z.object({
  ...commonConfig.shape,
  ...brokerConfig.shape,
  ...tokenConfig.shape,
  ...edgeConfig.shape,
  FLOTILLA_SIGNAL_HOST: z.string().default('0.0.0.0').describe('Where the WebSocket endpoint listens.'),
  FLOTILLA_SIGNAL_PORT: port().default(8080).describe('Port of the WebSocket endpoint. 0 picks a free one.'),
  FLOTILLA_TLS_CERT: z
    .string()
    .optional()
    .describe('Path of the certificate with its chain, in PEM, to serve TLS with. Read again when it changes.'),
  FLOTILLA_TLS_KEY: z.string().optional().describe('Path of its private key, in PEM.'),
  FLOTILLA_PROXY_PROTOCOL: flag()
    .default(false)
    .describe(
      'true for a load balancer that sends PROXY headers, version 1 or 2: each connection must come from a trusted proxy and begin with one. A balancer that ends TLS has to say so (version 2 with PP2_TYPE_SSL), or FLOTILLA_ALLOW_PLAIN be set.',
    ),
});

/** What a schema of single settings can't say: which of them need each other. */
export function checkEdge(
  { FLOTILLA_TLS_CERT, FLOTILLA_TLS_KEY, FLOTILLA_PROXY_PROTOCOL, FLOTILLA_TRUSTED_PROXIES }: GatewayConfig,
  context: z.RefinementCtx,
): void {
  const missing = (setting: keyof GatewayConfig, message: string): void =>
    context.addIssue({ code: 'custom', path: [setting], message });
  if (FLOTILLA_TLS_CERT && !FLOTILLA_TLS_KEY) missing('FLOTILLA_TLS_KEY', 'FLOTILLA_TLS_CERT is set');
  if (FLOTILLA_TLS_KEY && !FLOTILLA_TLS_CERT) missing('FLOTILLA_TLS_CERT', 'FLOTILLA_TLS_KEY is set');
  if (FLOTILLA_PROXY_PROTOCOL && FLOTILLA_TRUSTED_PROXIES.length === 0)
    missing('FLOTILLA_TRUSTED_PROXIES', 'FLOTILLA_PROXY_PROTOCOL is set');
}

export type GatewayConfig = z.output<typeof gatewayConfig>;
