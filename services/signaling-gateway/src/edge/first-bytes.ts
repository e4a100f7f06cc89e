import type { Server, Socket } from 'node:net';
import { type AcceptOptions, ConnectionRefused, type RelayedConnection, type Trust } from '@flotilla/runtime';
import { parseProxyHeader, ProxyHeaderError } from './proxy-header.ts';
import { refuse } from './refuse.ts';
import { tlsRequired } from './upgrade-check.ts';

/** Time limit of the PROXY header, and of the first byte after it if TLS is served, ms. */
const headerTimeoutMs = 5000;

export interface FirstBytesOptions {
  /** Require that every connection comes from a trusted proxy and starts with a PROXY header. */
  readonly proxyProtocol: boolean;
  /** The server serves TLS: plain HTTP gets an answer that says so. */
  readonly tls: boolean;
}

const relayedConnections = new WeakMap<Socket, RelayedConnection>();

/** The connection that a trusted proxy described for a request's socket. */
export const relayedOver = (socket: Socket): RelayedConnection | undefined => relayedConnections.get(socket);

/** The address that sends over a socket: the one in its PROXY header, else that of the socket. */
export const senderOf = (socket: Socket): string => relayedOver(socket)?.address ?? socket.remoteAddress ?? '';

/** Returns the function that reads the first bytes of a server's connections, for `protectServer`. */
export function firstBytesOf(
  server: Server,
  { proxyProtocol, tls }: FirstBytesOptions,
  trusts: Trust,
): NonNullable<AcceptOptions['readFirst']> {
  // The server wraps its socket without exposing it: addresses and ports identify the pair.
  const awaitingTls = new Map<string, RelayedConnection>();
  server.prependListener('secureConnection', (secured: Socket) => {
    const relayed = awaitingTls.get(endpointsOf(secured));
    if (relayed) relayedConnections.set(secured, relayed);
  });

  return async (socket, count) => {
    if (proxyProtocol) {
      if (!trusts(socket.remoteAddress ?? ''))
        throw new ConnectionRefused('untrusted', 'only trusted proxies may connect');
      const { relayed } = await readStart(socket, headerTimeoutMs, parseProxyHeader);
      relayedConnections.set(socket, relayed);
      if (relayed.address !== undefined) count(relayed.address);
      if (tls) {
        const endpoints = endpointsOf(socket);
        awaitingTls.set(endpoints, relayed);
        socket.once('close', () => awaitingTls.delete(endpoints));
      }
    }
    if (tls && isMethod(await readStart(socket, headerTimeoutMs, peekByte)))
      throw new ConnectionRefused('plain', 'plain HTTP on a port that serves TLS', () => refuse(socket, tlsRequired()));
  };
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
