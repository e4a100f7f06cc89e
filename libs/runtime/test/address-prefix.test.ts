import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prefixOf } from '../src/address-prefix.ts';

describe('limits of addresses', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8::', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8::2:3:4:5:6', '2001:db8:0:2::/64'],
    ['fe80::1', 'fe80:0:0:0::/64'],
    ['', ''],
  ])('count %s as %s', (address, prefix) => {
    expect(prefixOf(address)).toBe(prefix);
  });

  test('count all spellings and hosts of a network as one', () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16));
    const groups = (count: number) => fc.array(group, { minLength: count, maxLength: count });
    fc.assert(
      fc.property(groups(4), groups(4), groups(4), (network, one, other) => {
        const [first, second] = [one, other].map((host) => prefixOf([...network, ...host].join(':')));
        expect(first).toBe(second);
        expect(first).toBe(`${network.map((it) => Number.parseInt(it, 16).toString(16)).join(':')}::/64`);
      }),
    );
  });
});
