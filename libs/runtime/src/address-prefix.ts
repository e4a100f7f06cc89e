import { isIPv6, SocketAddress } from 'node:net';

/**
 * What counts as one address in limits: of IPv4 the address, of IPv6 the network of 64 bits, which is what one subscriber has
 * (RFC 6177). Takes the canonical form.
 */
export function prefixOf(address: string): string {
  if (!isIPv6(address)) return address;
  // The canonical form (RFC 5952) has at most one "::", for the longest run of zeros.
  const { address: canonical } = new SocketAddress({ address, family: 'ipv6' });
  const [head = '', tail] = canonical.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - groups.length - rest.length }, () => '0');
  return `${[...groups, ...zeros, ...rest].slice(0, 4).join(':')}::/64`;
}
