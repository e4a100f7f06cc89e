import type { Server, Socket } from 'node:net';
import { counter, type Logger } from '@flotilla/runtime';
import type { ConnectionLimits } from '../limits/connection-limits.ts';
import { canonical, type RelayedConnection, type Trust } from '@flotilla/runtime';
import { parseProxyHeader, ProxyHeaderError } from './proxy-header.ts';
import { refuse } from './refuse.ts';
import { tlsRequired } from './upgrade-check.ts';

const refused = counter({
  name: 'signaling_connections_refused_total',
  help: 'Connections closed before TLS or HTTP because of their number or their first bytes, by reason.',
  labelNames: ['reason'],
});

/** Time limit of the PROXY header, and of the first byte after it if TLS is served, ms. */
const headerTimeoutMs = 5000;

export interface FirstBytesOptions {
  /** Require that every connection comes from a trusted proxy and starts with a PROXY header. */
  readonly proxyProtocol: boolean;
  /** The server serves TLS: plain HTTP gets an answer that says so. */
  readonly tls: boolean;
}

/** A refused connection, with its label in the metric. */
class ConnectionRefused extends Error {
  override readonly name = 'ConnectionRefused';

  constructor(
    readonly reason: 'limited' | 'untrusted' | 'malformed' | 'timeout' | 'ended',
    message: string,
  ) {
    super(message);
  }
}

const relayedConnections = new WeakMap<Socket, RelayedConnection>();

/** The connection that a trusted proxy described for a request's socket. */
export const relayedOver = (socket: Socket): RelayedConnection | undefined => relayedConnections.get(socket);

/**
 * Counts each connection, and reads its first bytes, before the HTTP or HTTPS server does. It wraps the server's own `connection`
 * listeners, so that listening, timeouts and closing stay with the server. Call it before the server listens.
 */
export function acceptConnections(
  server: Server,
  options: FirstBytesOptions,
  { trusts, limits, log }: { readonly trusts: Trust; readonly limits: ConnectionLimits; readonly log: Logger },
): void {
  const listeners = server.listeners('connection') as ((socket: Socket) => void)[];
  const handOver = (socket: Socket): void => listeners.forEach((listener) => listener.call(server, socket));
  // The server wraps its socket without exposing it: addresses and ports identify the pair.
  const awaitingTls = new Map<string, RelayedConnection>();
  server.prependListener('secureConnection', (secured: Socket) => {
    const relayed = awaitingTls.get(endpointsOf(secured));
    if (relayed) relayedConnections.set(secured, relayed);
  });

  /** Behind a proxy that sends no PROXY header, the client is known from each request only. */
  const count = (socket: Socket, address: string): void => {
    if (trusts(address)) return;
    const release = limits.accept(address);
    if (!release) throw new ConnectionRefused('limited', 'too many connections from this address');
    socket.once('close', release);
  };

  const receive = async (socket: Socket): Promise<void> => {
    const peer = socket.remoteAddress ?? '';
    count(socket, canonical(peer));
    if (options.proxyProtocol) {
      if (!trusts(peer)) throw new ConnectionRefused('untrusted', 'only trusted proxies may connect');
      const { relayed } = await readStart(socket, headerTimeoutMs, parseProxyHeader);
      relayedConnections.set(socket, relayed);
      if (relayed.address !== undefined) count(socket, canonical(relayed.address));
      if (options.tls) {
        const endpoints = endpointsOf(socket);
        awaitingTls.set(endpoints, relayed);
        socket.once('close', () => awaitingTls.delete(endpoints));
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
        const reason = error instanceof ConnectionRefused ? error.reason : 'malformed';
        refused.inc({ reason });
        log.debug({ err: error, reason, peer: socket.remoteAddress }, 'connection refused');
        socket.destroy();
      },
    );
  });
}

const endpointsOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  [remoteAddress, remotePort, localAddress, localPort].join(' ');

const peekByte = (bytes: Buffer): { first: number; length: number } | undefined =>
  bytes.length === 0 ? undefined : { first: bytes[0]!, length: 0 };

/** HTTP starts with the first letter of a method, a TLS handshake with byte 22. */
const isMethod = ({ first }: { first: number }): boolean => first >= 0x41 && first <= 0x5a;

/**
 * Reads from the start of a socket until `parse` returns a result, and puts back the bytes after its `length`.
 *
 * @throws ConnectionRefused.
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
      reject(new ConnectionRefused('ended', 'the connection ended before its first bytes were complete'));
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
        reject(error instanceof ProxyHeaderError ? new ConnectionRefused('malformed', error.message) : error);
      }
    };
    const deadline = setTimeout(() => {
      finish();
      reject(new ConnectionRefused('timeout', `first bytes incomplete after ${timeoutMs} ms`));
    }, timeoutMs);
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd);
  });
}
