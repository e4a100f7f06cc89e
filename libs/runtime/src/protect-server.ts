import type { Server } from 'node:http';
import { type AcceptOptions, acceptConnections } from './accept-connections.ts';
import { clientAddress, trustOf } from './client-connection.ts';
import { limitRequests, type RequestLimitOptions } from './limit-requests.ts';
import type { Logger } from './log.ts';
import { ServerLimits, type ServerLimitsConfig } from './server-limits.ts';

/** How long an HTTP request may take to arrive: its header fields, and all of it, ms. */
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 30_000;

/** A Nest application that serves HTTP with Express. */
interface Application {
  getHttpServer(): unknown;
  use(middleware: ReturnType<typeof limitRequests>): unknown;
}

/**
 * Limits what reaches the application's HTTP server before the client is known: connections, the time of their requests, and requests
 * without a valid credential. Call it before the application listens and before it is given other middleware that reads requests.
 */
export function protectServer(app: Application, options: AcceptOptions & RequestLimitOptions): void {
  const server = app.getHttpServer() as Server;
  server.headersTimeout = headersTimeoutMs;
  server.requestTimeout = requestTimeoutMs;
  acceptConnections(server, options);
  app.use(limitRequests(options));
}

/** Options of `protectServer` for a server that connections reach directly or behind proxies that send `X-Forwarded-For`. */
export function protectionOf(config: ServerLimitsConfig, log: Logger): AcceptOptions & RequestLimitOptions {
  const proxies = config.FLOTILLA_TRUSTED_PROXIES;
  return { trusts: trustOf(proxies), addressOf: clientAddress(proxies), limits: ServerLimits.of(config), log };
}
