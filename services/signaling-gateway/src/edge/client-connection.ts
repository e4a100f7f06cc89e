import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIP, isIPv6, SocketAddress } from 'node:net';
import proxyAddress from 'proxy-addr';

/** Who is at the other end, as far as it can be believed. */
export interface ClientConnection {
  /** An IP address in its canonical form, IPv4 where it was mapped into IPv6; empty when the connection is gone. */
  readonly address: string;
  /** Nobody between the client and us, or the proxy that is trusted, could read along. */
  readonly secure: boolean;
}

/** What a PROXY header said of the connection it stands for. */
export interface RelayedConnection {
  /** Absent where the proxy speaks for itself, or does not know. */
  readonly address?: string;
  /** The client came to the proxy over TLS. */
  readonly secure: boolean;
}

/** What the gateway sees of a connection. */
export interface SeenConnection {
  /** The other end of the socket. */
  readonly peer: string;
  /** The socket itself is TLS. */
  readonly encrypted: boolean;
  readonly headers: IncomingHttpHeaders;
  readonly relayed?: RelayedConnection | undefined;
}

/** Whether an address is that of one of our proxies. */
export type Trust = (address: string) => boolean;

/** Throws TypeError for what is no IP address or CIDR range. A range of all addresses is refused as well. */
export function trustOf(ranges: readonly string[]): Trust {
  for (const range of ranges)
    if (!/^[^/]+(\/\d{1,3})?$/.test(range) || isIP(range.split('/')[0]!) === 0) throw new TypeError(range);
  if (ranges.length === 0) return () => false;
  const trusts = proxyAddress.compile([...ranges]);
  return (address) => trusts(address, 0);
}

/**
 * The client behind a connection. A PROXY header and `X-Forwarded-*` count only from trusted proxies, each for the hop it
 * was seen at: from the right, the first address that is not a proxy of ours is the client, what stands left of it is what
 * the client says. RFC 7239's `Forwarded` is not read: a proxy that writes the one family may pass the other on as it came.
 */
export function clientConnection(
  { peer, encrypted, headers, relayed }: SeenConnection,
  trusts: Trust,
): ClientConnection {
  const believed = trusts(peer) ? relayed : undefined;
  const sender = believed?.address ?? peer;
  const chain = { headers: { 'x-forwarded-for': forwardedFor(headers) }, socket: { remoteAddress: sender } };
  const hops = proxyAddress.all(chain as unknown as IncomingMessage, trusts);
  const address = canonical(hops.findLast(isIP) ?? '');
  const scheme = trusts(sender) ? lastEntry(headers['x-forwarded-proto']) : undefined;
  const secure =
    scheme === undefined
      ? encrypted || believed?.secure === true || (isLoopback(canonical(peer)) && isLoopback(address))
      : /^(https|wss)$/i.test(scheme);
  return { address, secure };
}

const entries = (header: string | string[] | undefined): string[] =>
  String(header ?? '')
    .split(',')
    .map((entry) => entry.trim());

/** Some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
const forwardedFor = (headers: IncomingHttpHeaders): string =>
  entries(headers['x-forwarded-for'])
    .map((entry) => canonical(entry.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$|^\[([^\]]*)\](?::\d+)?$/, '$1$2')))
    .join(',');

/** Of a list, only the last was written by the proxy that is next to us. */
const lastEntry = (header: string | string[] | undefined): string | undefined => entries(header).at(-1) || undefined;

/** One spelling for each address: a limit per address must not be passed by writing it in another way. */
function canonical(address: string): string {
  if (!isIPv6(address)) return address;
  const [unscoped] = address.split('%') as [string];
  return new SocketAddress({ address: unscoped, family: 'ipv6' }).address.replace(/^::ffff:(?=[\d.]+$)/, '');
}

const isLoopback = (address: string): boolean => /^(127\.|::1$)/.test(address);
