import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export const loopbackAddress = '127.0.0.1';

/** The IPv4 address that this machine sends from by default. Undefined without a default route. */
export async function primaryAddress(): Promise<string | undefined> {
  const socket = createSocket('udp4');
  try {
    // RFC 5737: 192.0.2.0/24 is in use nowhere. Connecting a UDP socket selects its own address and sends nothing.
    socket.connect(9, '192.0.2.1');
    await once(socket, 'connect');
    const { address } = socket.address();
    return address;
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}

/** The addresses at which a browser on this machine reaches media: loopback, and the primary one, because Firefox ignores loopback. */
export async function localAddresses(): Promise<string[]> {
  const primary = await primaryAddress();
  return primary === undefined || primary === loopbackAddress ? [loopbackAddress] : [loopbackAddress, primary];
}
