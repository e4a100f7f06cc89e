import type { Server, Socket } from 'node:net';
import { counter, type Logger } from '@flotilla/runtime';
import type { RelayedConnection, Trust } from './client-connection.ts';
import { parseProxyHeader, ProxyHeaderError } from './proxy-header.ts';
import { refuse } from './refuse.ts';
import { tlsRequired } from './upgrade-check.ts';

const refused = counter({
  name: 'signaling_connections_refused_total',
  help: 'Connections closed for what they began with, before TLS or HTTP: by reason.',
  labelNames: ['reason'],
});

/** How long the PROXY header may take, in milliseconds; and, where TLS is served, the first byte after it. */
const headerTimeoutMs = 5000;

export interface FirstBytesOptions {
  /** Every connection comes through a trusted proxy and begins with a PROXY header. */
  readonly proxyProtocol: boolean;
  /** The server serves TLS: who speaks plain HTTP is told so. */
  readonly tls: boolean;
}

/** A connection that is not let on, with the label it is counted under. */
class Unwelcome extends Error {
  override readonly name = 'Unwelcome';

  constructor(
    readonly reason: 'untrusted' | 'malformed' | 'timeout' | 'ended',
    message: string,
  ) {
    super(message);
  }
}

const relayedConnections = new WeakMap<Socket, RelayedConnection>();

/** What a trusted proxy said of the connection under a request's socket. */
export const relayedOver = (socket: Socket): RelayedConnection | undefined => relayedConnections.get(socket);

/**
 * Reads what each connection of an HTTP or HTTPS server begins with before the server sees it. It steps between the server
 * and its own listeners, so that listening, timeouts and closing stay the server's. Call it before the server listens.
 */
export function readFirstBytes(server: Server, options: FirstBytesOptions, trusts: Trust, log: Logger): void {
  if (!options.proxyProtocol && !options.tls) return;
  const listeners = server.listeners('connection') as ((socket: Socket) => void)[];
  const handOver = (socket: Socket): void => listeners.forEach((listener) => listener.call(server, socket));
  // The server wraps the socket it is given and does not tell which: their addresses and ports do.
  const awaitingTls = new Map<string, RelayedConnection>();
  server.prependListener('secureConnection', (secured: Socket) => {
    const relayed = awaitingTls.get(endsOf(secured));
    if (relayed) relayedConnections.set(secured, relayed);
  });

  const receive = async (socket: Socket): Promise<void> => {
    if (options.proxyProtocol) {
      if (!trusts(socket.remoteAddress ?? '')) throw new Unwelcome('untrusted', 'only trusted proxies may connect');
      const { relayed } = await readStart(socket, headerTimeoutMs, parseProxyHeader);
      relayedConnections.set(socket, relayed);
      if (options.tls) {
        const ends = endsOf(socket);
        awaitingTls.set(ends, relayed);
        socket.once('close', () => awaitingTls.delete(ends));
      }
    }
    if (options.tls && isMethod(await readStart(socket, headerTimeoutMs, peekByte))) {
      refused.inc({ reason: 'plain' });
      refuse(socket, tlsRequired());
    } else {
      handOver(socket);
    }
  };

  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const onError = (error: Error): void => log.debug({ err: error }, 'socket error before the first request');
    socket.on('error', onError);
    receive(socket).then(
      () => socket.off('error', onError),
      (error: unknown) => {
        const reason = error instanceof Unwelcome ? error.reason : 'malformed';
        refused.inc({ reason });
        log.debug({ err: error, reason, peer: socket.remoteAddress }, 'connection refused');
        socket.destroy();
      },
    );
  });
}

const endsOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  [remoteAddress, remotePort, localAddress, localPort].join(' ');

const peekByte = (bytes: Buffer): { first: number; length: number } | undefined =>
  bytes.length === 0 ? undefined : { first: bytes[0]!, length: 0 };

/** HTTP begins with the letter of a method, a TLS handshake with 22. */
const isMethod = ({ first }: { first: number }): boolean => first >= 0x41 && first <= 0x5a;

/**
 * Reads from the start of a socket until `parse` is content, and puts back what follows the `length` it reports.
 *
 * @throws Unwelcome.
 */
function readStart<T extends { readonly length: number }>(
  socket: Socket,
  timeoutMs: number,
  parse: (bytes: Buffer) => T | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const finish = (): void => {
      clearTimeout(deadline);
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd);
    };
    const onEnd = (): void => {
      finish();
      reject(new Unwelcome('ended', 'the connection ended before it began'));
    };
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      bytes = Buffer.concat([bytes, chunk]);
      try {
        const parsed = parse(bytes);
        if (!parsed) return;
        finish();
        if (parsed.length < bytes.length) socket.unshift(bytes.subarray(parsed.length));
        resolve(parsed);
      } catch (error) {
        finish();
        reject(error instanceof ProxyHeaderError ? new Unwelcome('malformed', error.message) : error);
      }
    };
    const deadline = setTimeout(() => {
      finish();
      reject(new Unwelcome('timeout', `nothing complete within ${timeoutMs} ms`));
    }, timeoutMs);
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd);
  });
}
