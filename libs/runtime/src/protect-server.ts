import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { type AcceptOptions, acceptConnections } from './accept-connections.ts';
import { clientAddress, trustOf } from './client-connection.ts';
import { limitRequests, type RequestLimitOptions } from './limit-requests.ts';
import type { Logger } from './log.ts';
import { ServerLimits, type ServerLimitsConfig } from './server-limits.ts';

/** How long an HTTP request may take to arrive: its header fields, and all of it, ms. */
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 30_000;
/**
 * How long a trusted proxy may keep a connection without a request, ms. Longer than proxies keep theirs (nginx and AWS: 60 s; the
 * application load balancers of Google Cloud: 600 s, which cannot be changed): a request that is sent while this end closes is lost, and is
 * not repeated if it writes. Envoy keeps them for an hour unless it is configured, docs/kubernetes/exposure.md.
 */
const proxyKeepAliveMs = 620_000;

/** A Nest application that serves HTTP with Express. */
interface Application {
  getHttpServer(): unknown;
  use(middleware: ReturnType<typeof limitRequests>): unknown;
}

type ProtectOptions = AcceptOptions &
  RequestLimitOptions & {
    /** The address that sends over a connection: of the client, where a load balancer relays its bytes. Default: that of the socket. */
    readonly senderOf?: (socket: Socket) => string;
  };

/**
 * Limits what reaches the application's HTTP server before the client is known: connections, the time of their requests, and requests
 * without a valid credential. Call it before the application listens and before it is given other middleware that reads requests.
 */
export function protectServer(app: Application, options: ProtectOptions): void {
  const server = app.getHttpServer() as Server;
  server.headersTimeout = headersTimeoutMs;
  server.requestTimeout = requestTimeoutMs;
  keepConnectionsOf(server, options);
  acceptConnections(server, options);
  app.use(limitRequests(options));
}

/** Keeps the idle connections of trusted proxies. Those of others end after Node's default of 5 s. */
function keepConnectionsOf(server: Server, { trusts, senderOf = addressOf }: ProtectOptions): void {
  server.prependListener('request', ({ socket }, response) => {
    // After Node's own listener, which sets the default. It removes the timeout with the next request.
    if (trusts(senderOf(socket))) response.once('finish', () => socket.setTimeout(proxyKeepAliveMs));
  });
}

const addressOf = ({ remoteAddress = '' }: Socket): string => remoteAddress;

/** Options of `protectServer` for a server that connections reach directly or behind proxies that send `X-Forwarded-For`. */
export function protectionOf(config: ServerLimitsConfig, log: Logger): AcceptOptions & RequestLimitOptions {
  const proxies = config.FLOTILLA_TRUSTED_PROXIES;
  return { trusts: trustOf(proxies), addressOf: clientAddress(proxies), limits: ServerLimits.of(config), log };
}
