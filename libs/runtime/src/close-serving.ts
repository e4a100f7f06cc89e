import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Time for open requests to end. */
const requestTimeoutMs = 1000;

/** A Nest application that serves HTTP. */
export interface Serving {
  getHttpServer(): unknown;
  close(): Promise<void>;
}

/**
 * Closes an application that serves HTTP. Node's `server.close` waits for every connection, including idle ones that browsers, load
 * balancers and scanners open, and disables its timeouts for them, so one of them would keep the process alive. Connections that remain
 * after 1 s are destroyed. The application closes WebSockets itself.
 */
export async function closeServing(app: Serving): Promise<void> {
  const server = app.getHttpServer() as Server;
  const close = server.close.bind(server);
  // Nest calls this after its shutdown hooks, in which a drain may take longer than 1 s.
  server.close = (done) => {
    setTimeout(() => server.closeAllConnections(), requestTimeoutMs).unref();
    return close(done);
  };
  await app.close();
}

/** The address that an application listens on, as a URL: `http://0.0.0.0:8080` where it listens on all. */
export function listeningUrl(app: Serving, scheme: 'http' | 'https' = 'http'): string {
  const { address, family, port } = (app.getHttpServer() as Server).address() as AddressInfo;
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
