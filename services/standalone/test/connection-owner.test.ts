import { describe, expect, test } from 'vitest';
import { ownerIn } from '../src/connection-owner.ts';

const head =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     ';
const rest = '00000000:00000000 02:000000AB 00000000';
const [own, other] = [1000, 33];

describe('the owner of a connection', () => {
  const connection = { remoteAddress: '127.0.0.1', remotePort: 40_000, localAddress: '127.0.0.1', localPort: 8080 };

  test('is the user in the row of the other end, not of this one', () => {
    const table = [
      head,
      `   0: 0100007F:1F90 00000000:0000 0A ${rest} ${other}        0 10 2 00000000238d0ee1 100 0 0 10 0`,
      `   1: 0100007F:1F90 0100007F:9C40 01 ${rest} ${other}        0 11 2 00000000238d0ee2 20 4 30 10 -1`,
      `   2: 0100007F:9C40 0100007F:1F91 01 ${rest} ${other}        0 12 2 00000000238d0ee3 20 4 30 10 -1`,
      `   3: 0100007F:9C40 0100007F:1F90 01 ${rest} ${own}        0 13 2 00000000238d0ee4 20 4 30 10 -1`,
      '',
    ].join('\n');
    expect(ownerIn([table, ''], connection)).toBe(own);
    expect(ownerIn([table, ''], { ...connection, remotePort: 40_001 })).toBeUndefined();
  });

  test('is unknown once one end has closed it: the kernel writes 0, as for root', () => {
    const closing = `   0: 0100007F:9C40 0100007F:1F90 06 ${rest} 0        0 0 3 00000000238d0ee4`;
    expect(ownerIn([`${head}\n${closing}`], connection)).toBeUndefined();
  });

  test('is found at other loopback addresses, of IPv6 and of a socket for both versions', () => {
    const table = [
      `   0: 0200007F:9C40 0200007F:1F90 01 ${rest} 1 0 13 1`,
      `   1: 00000000000000000000000001000000:9C40 00000000000000000000000001000000:1F90 01 ${rest} 2 0 14 1`,
      `   2: 0000000000000000FFFF00000100007F:9C40 0000000000000000FFFF00000100007F:1F90 01 ${rest} 3 0 15 1`,
    ].join('\n');
    const at = (address: string) => ownerIn([table], { ...connection, remoteAddress: address, localAddress: address });
    expect(['127.0.0.2', '::1', '127.0.0.1', '10.0.0.1', ''].map(at)).toEqual([1, 2, 3, undefined, undefined]);
  });
});
