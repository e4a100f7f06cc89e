import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { IngestError } from '../ingest-error.ts';

/** Bytes that the kernel buffers for a socket: half a second of 8 Mbit/s. */
const receiveBufferBytes = 512 * 1024;

/** A port for RTP and the next one for its RTCP (RFC 3550, section 11). */
export interface PortPair {
  readonly port: number;
  onDatagram: (datagram: Buffer, from: RemoteInfo, isControlPort: boolean) => void;
  /** No-op for ports outside of 1 to 65535. */
  send(datagram: Buffer, port: number, address: string, fromControlPort: boolean): void;
  close(): void;
}

/** The UDP ports that sources send to. Each pair begins with an even port. */
export class UdpPorts {
  readonly #free: number[] = [];

  /** @param address the address that the ports are opened on. */
  constructor(
    readonly address: string,
    range: { readonly min: number; readonly max: number },
  ) {
    for (let port = range.min + (range.min % 2); port + 1 <= range.max; port += 2) this.#free.push(port);
  }

  /** Opens a pair. Throws IngestError NO_PORTS when none is free. */
  async open(): Promise<PortPair> {
    // Ports that another program has are tried again later.
    for (let tries = this.#free.length; tries > 0; tries--) {
      const port = this.#free.shift()!;
      try {
        return await this.#openAt(port);
      } catch {
        this.#free.push(port);
      }
    }
    throw new IngestError(
      'NO_PORTS',
      'all ports of FLOTILLA_EDGE_RTP_PORTS are in use; delete ingests or widen the range',
    );
  }

  async #openAt(port: number): Promise<PortPair> {
    const sockets: Socket[] = [];
    const close = (): void => sockets.forEach((socket) => socket.close());
    try {
      for (const each of [port, port + 1]) sockets.push(await bound(this.address, each));
    } catch (error) {
      close();
      throw error;
    }
    let isClosed = false;
    const pair: PortPair = {
      port,
      onDatagram: () => undefined,
      // What cannot be sent is lost, like any datagram.
      send: (datagram, to, address, fromControlPort) => {
        if (!isClosed && to > 0 && to < 65_536)
          sockets[fromControlPort ? 1 : 0]!.send(datagram, to, address, () => undefined);
      },
      close: () => {
        if (isClosed) return;
        isClosed = true;
        close();
        this.#free.push(port);
      },
    };
    for (const [index, socket] of sockets.entries())
      socket.on('message', (datagram, from) => pair.onDatagram(datagram, from, index === 1));
    return pair;
  }
}

function bound(address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', recvBufferSize: receiveBufferBytes });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind(port, address, () => {
      // Errors of datagrams that were sent, such as an unreachable port.
      socket.removeAllListeners('error').on('error', () => undefined);
      resolve(socket);
    });
  });
}
