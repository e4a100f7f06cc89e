import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What requests that are under way are given to end, in milliseconds. */
const requestsWithinMs = 1000;

/** A Nest application that serves HTTP. */
export interface Serving {
  getHttpServer(): unknown;
  close(): Promise<void>;
}

/**
 * Closes an application that serves HTTP. Node's `server.close` waits for every connection, also for those that browsers, balancers and
 * scanners open and ask nothing on, and ends its own timeouts for them: one of these would keep the process for ever. What is
 * left a second after that is cut. WebSockets are not among them; they are the application's to close.
 */
export async function closeServing(app: Serving): Promise<void> {
  const server = app.getHttpServer() as Server;
  const close = server.close.bind(server);
  // Nest closes the server somewhere within, after its hooks; a second before that a drain may still be going on.
  server.close = (done) => {
    setTimeout(() => server.closeAllConnections(), requestsWithinMs).unref();
    return close(done);
  };
  await app.close();
}

/** The address that an application listens on, as a URL: `http://0.0.0.0:8080` where it listens on all. */
export function listeningUrl(app: Serving, scheme: 'http' | 'https' = 'http'): string {
  const { address, family, port } = (app.getHttpServer() as Server).address() as AddressInfo;
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
