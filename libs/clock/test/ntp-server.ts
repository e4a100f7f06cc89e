import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { decodePacket, encodePacket, mode, type NtpPacket } from '../src/ntp/packet.ts';

/** ms since the Unix epoch as an NTP timestamp of its era. */
export function unixMsToTimestamp(unixMs: number): bigint {
  const seconds = Math.floor(unixMs / 1000);
  const fraction = Math.min(Math.floor(((unixMs - seconds * 1000) / 1000) * 2 ** 32), 2 ** 32 - 1);
  return (BigInt.asUintN(32, BigInt(seconds + 2_208_988_800)) << 32n) | BigInt(fraction);
}

/** This machine's clock in ms since the Unix epoch, with sub-millisecond digits. */
export const machineNow = (): number => performance.timeOrigin + performance.now();

/** An NTP server on loopback whose responses are configurable. */
export class NtpTestServer {
  /** Its clock minus the machine's, in ms. */
  offsetMs = 0;
  /** Sends no responses. */
  unresponsive = false;
  /** Fields that differ from a correct response. */
  overrides: Partial<NtpPacket> = {};
  /** Datagrams to send in place of the correct response, derived from it. */
  instead: ((correct: Uint8Array) => Uint8Array[]) | undefined;
  /** Number of datagrams received. */
  requests = 0;
  /** Transmit timestamp and source port of each request. */
  readonly seen: { readonly nonce: bigint; readonly port: number }[] = [];
  readonly #socket: Socket = createSocket('udp4');
  #stopped = false;

  static async start(): Promise<NtpTestServer> {
    const server = new NtpTestServer();
    server.#socket.bind(0, '127.0.0.1');
    await once(server.#socket, 'listening');
    server.#socket.on('message', (bytes, from) => server.#answer(bytes, from));
    return server;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #answer(bytes: Buffer, from: RemoteInfo): void {
    const receive = unixMsToTimestamp(machineNow() + this.offsetMs);
    this.requests++;
    const request = decodePacket(bytes);
    if (request) this.seen.push({ nonce: request.transmit, port: from.port });
    if (this.unresponsive || request?.mode !== mode.client) return;
    const correct = encodePacket({
      leap: 0,
      version: request.version,
      mode: mode.server,
      stratum: 2,
      poll: 0,
      precision: -20,
      rootDelayMs: 0.1,
      rootDispersionMs: 0.1,
      referenceId: randomBytes(4).readUInt32BE(),
      reference: receive,
      origin: request.transmit,
      receive,
      transmit: unixMsToTimestamp(machineNow() + this.offsetMs),
      ...this.overrides,
    });
    for (const datagram of this.instead ? this.instead(correct) : [correct])
      this.#socket.send(datagram, from.port, from.address);
  }
}
