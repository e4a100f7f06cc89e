import type { Server, Socket } from 'node:net';
import { canonical, type Trust } from './client-connection.ts';
import type { Logger } from './log.ts';
import { counter } from './metrics.ts';
import type { ServerLimits } from './server-limits.ts';

const refused = counter({
  name: 'http_connections_refused_total',
  help: 'Connections closed before TLS or HTTP because of their number or their first bytes, by reason.',
  labelNames: ['reason'],
});

/** A refused connection, with its label in the metric. */
export class ConnectionRefused extends Error {
  override readonly name = 'ConnectionRefused';

  constructor(
    readonly reason: 'limited' | 'untrusted' | 'malformed' | 'timeout' | 'ended' | 'plain',
    message: string,
    /** Answers and closes the socket. Default: it is destroyed. */
    readonly answer?: (socket: Socket) => void,
  ) {
    super(message);
  }
}

export interface AcceptOptions {
  readonly trusts: Trust;
  readonly limits: ServerLimits;
  readonly log: Logger;
  /**
   * Reads the first bytes of a connection before the server does. `count` counts it for a further address. Throws ConnectionRefused.
   */
  readonly readFirst?: (socket: Socket, count: (address: string) => void) => Promise<void>;
}

/**
 * Counts each connection before the HTTP or HTTPS server handles it, and closes it without an answer above the limits of its address. It
 * wraps the server's own `connection` listeners, so that listening, timeouts and closing stay with the server. Call it before the server
 * listens.
 */
export function acceptConnections(server: Server, { trusts, limits, log, readFirst }: AcceptOptions): void {
  const listeners = server.listeners('connection') as ((socket: Socket) => void)[];

  /** Behind a proxy that sends no PROXY header, the client is known from each request only. */
  const count = (socket: Socket, address: string): void => {
    if (trusts(address)) return;
    const release = limits.accept(address);
    if (!release) throw new ConnectionRefused('limited', 'too many connections from this address');
    socket.once('close', release);
  };

  const receive = async (socket: Socket): Promise<void> => {
    count(socket, canonical(socket.remoteAddress ?? ''));
    await readFirst?.(socket, (address) => count(socket, canonical(address)));
    for (const listener of listeners) listener.call(server, socket);
  };

  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const onError = (error: Error): void => log.debug({ err: error }, 'socket error before the first request');
    socket.on('error', onError);
    receive(socket).then(
      () => socket.off('error', onError),
      (error: unknown) => {
        const { reason, answer } =
          error instanceof ConnectionRefused ? error : { reason: 'malformed', answer: undefined };
        refused.inc({ reason });
        log.debug({ err: error, reason, peer: socket.remoteAddress }, 'connection refused');
        if (answer) answer(socket);
        else socket.destroy();
      },
    );
  });
}
