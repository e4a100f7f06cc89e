import { checkTokens, clientTimeConfig, tokenConfig } from '@flotilla/auth';
import { maxFrameBytes } from '@flotilla/contracts';
import {
  brokerConfig,
  checkServerTls,
  commonConfig,
  flag,
  list,
  listenAddress,
  port,
  serverLimitsConfig,
  servingConfig,
  trustedProxiesConfig,
  wholeNumber,
} from '@flotilla/runtime';
import { maxHeartbeatSeconds, maxResumeWindowSeconds } from '@flotilla/store';
import { z } from 'zod';

/** Which proxies are trusted, and whether plain HTTP is served. */
export const proxyTrustConfig = z.object({
  ...trustedProxiesConfig.shape,
  FLOTILLA_ALLOW_PLAIN: flag()
    .default(false)
    .describe(
      'true serves clients that did not connect over TLS. For a service mesh that encrypts by itself; otherwise tokens can be intercepted.',
    ),
});

/** Limits of a gateway. docs/limits.md is generated from them. */
export const limitsConfig = z.object({
  FLOTILLA_MAX_CONNECTIONS: wholeNumber()
    .min(1)
    .default(12_000)
    .describe('Maximum number of connections of one gateway.'),
  FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: serverLimitsConfig.shape.FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS,
  FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS: wholeNumber()
    .min(1)
    .default(50)
    .describe('New connections per second from one address; bursts of ten times as many.'),
  FLOTILLA_MESSAGES_PER_SECOND: wholeNumber()
    .min(1)
    .default(100)
    .describe(
      'Messages per second from one session; bursts of three times as many. Requests count by their cost (docs/limits.md).',
    ),
  FLOTILLA_MESSAGES_PER_SECOND_PER_ADDRESS: wholeNumber()
    .min(1)
    .default(2000)
    .describe('Messages per second from all sessions of one address, by their cost; bursts of three times as many.'),
  FLOTILLA_MAX_MESSAGE_BYTES: wholeNumber()
    .min(1024)
    .max(maxFrameBytes)
    .default(16_384)
    .describe('Maximum size of a message to a room, a user or everybody, with its envelope, in bytes.'),
  FLOTILLA_ROOM_BYTES_PER_SECOND: wholeNumber()
    .min(16_384)
    .default(262_144)
    .describe(
      'Bytes of messages into one room from this gateway per second, with their envelopes; bursts of three times as many. In a room of more than 128 participants a message counts accordingly more (docs/limits.md).',
    ),
  FLOTILLA_USER_BYTES_PER_SECOND: wholeNumber()
    .min(16_384)
    .default(131_072)
    .describe(
      'Bytes of messages to one user, and from one user to users, through this gateway per second, with their envelopes; bursts of three times as many. A message to everybody counts accordingly more in a fleet of more than 128 sessions (docs/limits.md).',
    ),
  FLOTILLA_HTTP_REQUESTS_PER_SECOND_PER_ADDRESS: wholeNumber()
    .min(1)
    .default(100)
    .describe('Plain HTTP requests per second from one address; bursts of ten times as many.'),
  FLOTILLA_MAX_ROOMS_PER_SESSION: wholeNumber().min(1).default(16).describe('Maximum number of rooms of one session.'),
  FLOTILLA_OVERLOAD_DELAY_MS: wholeNumber()
    .min(1)
    .default(500)
    .describe(
      'Event-loop delay (99th percentile of a second) above which new sessions and joins are refused; above four times as much also resumes, and messages outside rooms.',
    ),
});

/** How sessions outlive their connections. */
export const sessionConfig = z.object({
  FLOTILLA_RESUME_WINDOW_SECONDS: wholeNumber()
    .max(maxResumeWindowSeconds)
    .default(30)
    .describe('Seconds within which a session whose connection was lost may resume.'),
  FLOTILLA_HEARTBEAT_SECONDS: wholeNumber()
    .min(1)
    .max(maxHeartbeatSeconds)
    .default(10)
    .describe('Interval of the pings on a connection. After three without an answer it is closed.'),
  FLOTILLA_DRAIN_SECONDS: wholeNumber()
    .default(10)
    .describe(
      'Seconds over which a stopping gateway moves its sessions to other gateways. Keep it below FLOTILLA_SHUTDOWN_SECONDS. 0 closes them at once; clients resume by themselves.',
    ),
});

/** TURN servers that clients are sent. */
export const turnConfig = z.object({
  FLOTILLA_TURN_URLS: list()
    .pipe(
      z.array(
        z.string().regex(/^turns?:[^\s,?/]+(\?transport=(udp|tcp))?$/, 'turn:HOST:PORT?transport=udp is expected'),
      ),
    )
    .default([])
    .describe(
      'URLs of a TURN server that clients are sent, separated by commas, such as turn:turn.example:443?transport=udp,turns:turn.example:443?transport=tcp. Default: none.',
    ),
  FLOTILLA_TURN_SECRET: z
    .string()
    .min(16, 'at least 16 characters')
    .optional()
    .describe(
      'Secret that is shared with the TURN server (static-auth-secret of coturn), 16 characters at least. Credentials for clients are derived from it; each is valid as long as the token of its session. Of several, separated by commas or line breaks, the first is used.',
    ),
});
export type TurnConfig = z.output<typeof turnConfig>;

/** As browsers and web views send it, RFC 6454 section 6.2. */
const isOrigin = (text: string): boolean => text === '*' || /^[a-z][a-z\d+.-]*:\/\/[^\s/?#@]+$/.test(text);

/** Settings of a gateway in any process, its own or standalone. */
export const edgeConfig = z.object({
  ...clientTimeConfig.shape,
  ...proxyTrustConfig.shape,
  ...limitsConfig.shape,
  ...sessionConfig.shape,
  ...turnConfig.shape,
  FLOTILLA_ALLOWED_ORIGINS: list()
    .pipe(z.array(z.string().refine(isOrigin, 'https://HOST is expected, without a path, or *')))
    .default([])
    .describe(
      "Origins whose pages may connect, separated by commas, or * for all. Without any, only pages from the gateway's own host may connect.",
    ),
  FLOTILLA_ALLOWED_HOSTS: list()
    .default([])
    .describe('Host names under which clients may connect, separated by commas. Without any, all.'),
});
export type EdgeConfig = z.output<typeof edgeConfig>;

const settings = z.object({
  ...commonConfig.shape,
  ...servingConfig.shape,
  ...brokerConfig.shape,
  ...tokenConfig.shape,
  ...edgeConfig.shape,
  FLOTILLA_SIGNAL_HOST: listenAddress().default('0.0.0.0').describe('Address that the WebSocket endpoint listens on.'),
  FLOTILLA_SIGNAL_PORT: port().default(8080).describe('Port of the WebSocket endpoint. 0 chooses a free one.'),
  FLOTILLA_TLS_CERT: z
    .string()
    .optional()
    .describe('Path of the certificate with its chain, in PEM, to serve TLS with. Reloaded when it changes.'),
  FLOTILLA_TLS_KEY: z.string().optional().describe('Path of the private key of FLOTILLA_TLS_CERT, in PEM.'),
  FLOTILLA_PROXY_PROTOCOL: flag()
    .default(false)
    .describe(
      'true for a load balancer that sends PROXY headers, version 1 or 2: each connection must come from a trusted proxy and begin with one. A balancer that terminates TLS must declare it (version 2 with PP2_TYPE_SSL), or FLOTILLA_ALLOW_PLAIN must be set.',
    ),
});

export type GatewayConfig = z.output<typeof settings>;

/** Reports settings that require another one that is missing. */
function checkEdge(
  { FLOTILLA_PROXY_PROTOCOL, FLOTILLA_TRUSTED_PROXIES }: GatewayConfig,
  context: z.RefinementCtx,
): void {
  const missing = (setting: keyof GatewayConfig, message: string): void =>
    context.addIssue({ code: 'custom', path: [setting], message });
  if (FLOTILLA_PROXY_PROTOCOL && FLOTILLA_TRUSTED_PROXIES.length === 0)
    missing('FLOTILLA_TRUSTED_PROXIES', 'FLOTILLA_PROXY_PROTOCOL is set');
}

/** Reports TURN servers without a secret, and the reverse. */
export function checkTurn({ FLOTILLA_TURN_URLS, FLOTILLA_TURN_SECRET }: TurnConfig, context: z.RefinementCtx): void {
  const missing = (setting: keyof TurnConfig, message: string): void =>
    context.addIssue({ code: 'custom', path: [setting], message });
  if (FLOTILLA_TURN_URLS.length > 0 && !FLOTILLA_TURN_SECRET)
    missing('FLOTILLA_TURN_SECRET', 'FLOTILLA_TURN_URLS is set');
  if (FLOTILLA_TURN_SECRET && FLOTILLA_TURN_URLS.length === 0)
    missing('FLOTILLA_TURN_URLS', 'FLOTILLA_TURN_SECRET is set');
}

export const gatewayConfig = settings
  .superRefine(checkServerTls('signaling'))
  .superRefine(checkEdge)
  .superRefine(checkTurn)
  .superRefine(checkTokens);
