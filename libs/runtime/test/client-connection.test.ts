import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clientConnection, type ObservedConnection, trustedProxiesConfig, trustOf } from '../src/client-connection.ts';

const trusts = trustOf(['10.0.0.0/8', '2001:db8:a::/48', '192.0.2.1']);
const observed = (given: Partial<ObservedConnection>) =>
  clientConnection({ peer: '10.0.0.1', encrypted: false, headers: {}, ...given }, trusts);

const address = fc.oneof(fc.ipV4(), fc.ipV6());
const outside = address.filter((each) => !trusts(each) && !/^127\.|^::1$|^[0:]+1$|^::ffff:/i.test(each));
const proxy = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)).map((bytes) => ['10', ...bytes].join('.'));
/** A forged header entry. */
const claim = fc
  .oneof(address, proxy, fc.constantFrom('127.0.0.1', '::1', 'unknown', '', 'https', '10.0.0.1:80', '"'))
  .filter((text) => !text.includes(','));
const relayed = fc.record({ address: fc.option(address, { nil: '127.0.0.1' }), secure: fc.boolean() });

describe('client of a connection', () => {
  test('a peer that is not a trusted proxy is the client, whatever its headers claim', () => {
    fc.assert(
      fc.property(
        outside,
        fc.boolean(),
        fc.array(claim),
        fc.array(claim),
        fc.option(relayed, { nil: undefined }),
        (peer, encrypted, xff, xfp, said) => {
          const headers = {
            'x-forwarded-for': xff.join(','),
            'x-forwarded-proto': ['https', ...xfp].join(','),
            forwarded: 'for=127.0.0.1;proto=https',
          };
          expect(observed({ peer, encrypted, headers, relayed: said })).toEqual(
            clientConnection({ peer, encrypted, headers: {} }, () => false),
          );
          expect(observed({ peer, encrypted, headers, relayed: said }).secure).toBe(encrypted);
        },
      ),
    );
  });

  test('behind trusted proxies it is the first untrusted address from the right, whatever stands left of it', () => {
    fc.assert(
      fc.property(fc.array(claim), outside, fc.array(proxy, { maxLength: 4 }), (claims, client, proxies) => {
        const headers = { 'x-forwarded-for': [...claims, client, ...proxies].join(', ') };
        expect(observed({ headers }).address).toBe(observed({ peer: client }).address);
      }),
    );
  });

  test.each<[string, Partial<ObservedConnection>, string, boolean]>([
    ['a proxy that appends ports', { headers: { 'x-forwarded-for': '203.0.113.7:4711' } }, '203.0.113.7', false],
    [
      'a proxy that appends ports to IPv6',
      { headers: { 'x-forwarded-for': '[2001:db8::7]:4711' } },
      '2001:db8::7',
      false,
    ],
    ['a proxy that sends no address', { headers: { 'x-forwarded-for': 'unknown' } }, '10.0.0.1', false],
    [
      'IPv4 mapped into IPv6',
      { peer: '::ffff:10.0.0.1', headers: { 'x-forwarded-for': '::ffff:203.0.113.7' } },
      '203.0.113.7',
      false,
    ],
    ['another spelling of an address', { headers: { 'x-forwarded-for': '2001:DB8:0:0::7' } }, '2001:db8::7', false],
    [
      'TLS terminated at the proxy',
      { headers: { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' } },
      '203.0.113.7',
      true,
    ],
    ['TLS terminated at the proxy, scheme wss', { headers: { 'x-forwarded-proto': 'WSS' } }, '10.0.0.1', true],
    [
      'plain to the proxy, TLS to the gateway',
      { encrypted: true, headers: { 'x-forwarded-proto': 'http' } },
      '10.0.0.1',
      false,
    ],
    [
      'a client that claims TLS before a proxy that does not',
      { headers: { 'x-forwarded-proto': 'https, http' } },
      '10.0.0.1',
      false,
    ],
    [
      'TLS passed through',
      { encrypted: true, relayed: { address: '203.0.113.7', secure: false } },
      '203.0.113.7',
      true,
    ],
    [
      'TLS terminated at a proxy that declares it in a PROXY header',
      { relayed: { address: '203.0.113.7', secure: true } },
      '203.0.113.7',
      true,
    ],
    [
      'a PROXY header of a client that adds X-Forwarded-*',
      {
        relayed: { address: '203.0.113.7', secure: false },
        headers: { 'x-forwarded-for': '192.0.2.77', 'x-forwarded-proto': 'https' },
      },
      '203.0.113.7',
      false,
    ],
    [
      'a PROXY header that names another trusted proxy',
      {
        relayed: { address: '192.0.2.1', secure: false },
        headers: { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' },
      },
      '203.0.113.7',
      true,
    ],
    ['this machine', { peer: '127.0.0.1' }, '127.0.0.1', true],
    ['this machine over IPv6', { peer: '::1' }, '::1', true],
    ['this machine, mapped', { peer: '::ffff:127.0.0.1' }, '127.0.0.1', true],
    ["a proxy's own machine", { headers: { 'x-forwarded-for': '127.0.0.1' } }, '127.0.0.1', false],
    ['a closed socket', { peer: '' }, '', false],
  ])('%s', (_name, given, expectedAddress, secure) => {
    expect(observed(given)).toEqual({ address: expectedAddress, secure });
  });

  test('clients behind a proxy on this machine do not count as local', () => {
    const local = trustOf(['127.0.0.1']);
    const headers = { 'x-forwarded-for': '203.0.113.7' };
    const from = (given: object) =>
      clientConnection({ peer: '127.0.0.1', encrypted: false, headers: {}, ...given }, local);
    expect(from({ headers })).toEqual({ address: '203.0.113.7', secure: false });
    expect(from({ relayed: { address: '203.0.113.7', secure: false } })).toEqual({
      address: '203.0.113.7',
      secure: false,
    });
    expect(from({})).toEqual({ address: '127.0.0.1', secure: true });
  });
});

test.each([
  '10',
  '10.0.0.0/33',
  '10.0.0.0/',
  '0.0.0.0/0',
  '::/0',
  'loopback',
  'proxy.internal',
  '010.0.0.1',
  '10.0.0.0/255.0.0.0',
])('FLOTILLA_TRUSTED_PROXIES=%s is refused and named', (range) => {
  const result = trustedProxiesConfig.shape.FLOTILLA_TRUSTED_PROXIES.safeParse(`192.0.2.1,${range}`);
  expect(result.error?.issues[0]?.message).toContain(`${range} is no IP address or CIDR range`);
});
