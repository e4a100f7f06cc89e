import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIP, isIPv6, SocketAddress } from 'node:net';
import proxyAddress from 'proxy-addr';
import { z } from 'zod';
import { list } from './config.ts';

/** The client of a connection, from trusted sources only. */
export interface ClientConnection {
  /** IP address in canonical form, IPv4 if it was mapped into IPv6; empty for a closed connection. */
  readonly address: string;
  /** Whether the connection is encrypted up to this gateway or a trusted proxy. */
  readonly secure: boolean;
}

/** Which proxies are trusted. */
export const trustedProxiesConfig = z.object({
  FLOTILLA_TRUSTED_PROXIES: list()
    .superRefine((ranges, context) => {
      for (const range of ranges) {
        try {
          trustOf([range]);
        } catch {
          context.addIssue(`${range} is no IP address or CIDR range such as 10.0.0.0/8 or 2001:db8::1`);
        }
      }
    })
    .default([])
    .describe(
      'Addresses or CIDR ranges, separated by commas, of the proxies whose X-Forwarded-For, X-Forwarded-Proto and PROXY headers count. They must overwrite or append to those that clients send.',
    ),
});

/** The connection that a PROXY header describes. */
export interface RelayedConnection {
  /** Absent if the proxy connects on its own behalf, or does not know it. */
  readonly address?: string;
  /** Whether the client connected to the proxy over TLS. */
  readonly secure: boolean;
}

/** What the gateway observes of a connection. */
export interface ObservedConnection {
  /** Remote address of the socket. */
  readonly peer: string;
  /** Whether the socket itself is TLS. */
  readonly encrypted: boolean;
  readonly headers: IncomingHttpHeaders;
  readonly relayed?: RelayedConnection | undefined;
}

/** Whether an address is that of a trusted proxy. */
export type Trust = (address: string) => boolean;

/** Throws TypeError unless every range is an IP address or CIDR range. A range of all addresses is refused as well. */
export function trustOf(ranges: readonly string[]): Trust {
  for (const range of ranges)
    if (!/^[^/]+(\/\d{1,3})?$/.test(range) || isIP(range.split('/')[0]!) === 0) throw new TypeError(range);
  if (ranges.length === 0) return () => false;
  const trusts = proxyAddress.compile([...ranges]);
  return (address) => trusts(address, 0);
}

/**
 * The client behind a connection. A PROXY header and `X-Forwarded-*` count only from trusted proxies: read from the right, the
 * first address that is not a trusted proxy is the client; entries left of it were written by the client. `Forwarded` (RFC
 * 7239) is ignored, because a proxy that writes `X-Forwarded-*` may pass it on unchecked.
 */
export function clientConnection(
  { peer, encrypted, headers, relayed }: ObservedConnection,
  trusts: Trust,
): ClientConnection {
  const trusted = trusts(peer) ? relayed : undefined;
  const sender = trusted?.address ?? peer;
  const chain = { headers: { 'x-forwarded-for': forwardedFor(headers) }, socket: { remoteAddress: sender } };
  const hops = proxyAddress.all(chain as unknown as IncomingMessage, trusts);
  const address = canonical(hops.findLast(isIP) ?? '');
  const scheme = trusts(sender) ? lastEntry(headers['x-forwarded-proto']) : undefined;
  const secure =
    scheme === undefined
      ? encrypted || trusted?.secure === true || (isLoopback(canonical(peer)) && isLoopback(address))
      : /^(https|wss)$/i.test(scheme);
  return { address, secure };
}

const entries = (header: string | string[] | undefined): string[] =>
  String(header ?? '')
    .split(',')
    .map((entry) => entry.trim());

/** Some proxies append the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
const forwardedFor = (headers: IncomingHttpHeaders): string =>
  entries(headers['x-forwarded-for'])
    .map((entry) => canonical(entry.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$|^\[([^\]]*)\](?::\d+)?$/, '$1$2')))
    .join(',');

/** The last entry of a list; it is the one that the nearest proxy wrote. */
const lastEntry = (header: string | string[] | undefined): string | undefined => entries(header).at(-1) || undefined;

/** One spelling per address, so that a limit per address can't be bypassed by another spelling. */
export function canonical(address: string): string {
  if (!isIPv6(address)) return address;
  const [unscoped] = address.split('%') as [string];
  return new SocketAddress({ address: unscoped, family: 'ipv6' }).address.replace(/^::ffff:(?=[\d.]+$)/, '');
}

/** The client's address of each HTTP request, in canonical form, behind the given proxies. */
export function clientAddress(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  const trusts = trustOf(trustedProxies);
  return ({ socket, headers }) =>
    clientConnection({ peer: socket.remoteAddress ?? '', encrypted: false, headers }, trusts).address;
}

const isLoopback = (address: string): boolean => /^(127\.|::1$)/.test(address);
