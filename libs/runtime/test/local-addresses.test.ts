import { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { ConfigError, ipList, loadConfig, localAddresses, loopbackAddress, primaryAddress } from '../src/index.ts';

const external = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ family, internal }) => family === 'IPv4' && !internal)
  .map(({ address }) => address);

test('the primary address is that of an interface of this machine, and no loopback address', async () => {
  const primary = await primaryAddress();
  if (primary !== undefined) expect(external).toContain(primary);
  expect(await localAddresses()).toEqual([loopbackAddress, ...(primary === undefined ? [] : [primary])]);
});

test('a list of IP addresses takes IPv4 and IPv6, and refuses host names and an empty list', () => {
  const read = (text: string): unknown => loadConfig(z.object({ IPS: ipList() }), { IPS: text }).IPS;
  expect(read('127.0.0.1, 10.0.0.7,::1')).toEqual(['127.0.0.1', '10.0.0.7', '::1']);
  expect(() => read('localhost')).toThrow(ConfigError);
  expect(() => read(',')).toThrow(ConfigError);
});
