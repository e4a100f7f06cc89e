import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { ImpairedPath, type Impairment } from './impaired-path.ts';

export interface UdpRelayOptions {
  /** Address to listen on. Default 127.0.0.1; on Linux any 127.x.y.z. */
  readonly host?: string;
  /** Default: a free port. */
  readonly port?: number;
  /** An IPv4 address. Default 127.0.0.1. */
  readonly targetHost?: string;
  readonly targetPort: number;
  /** Impairment from clients to the target. Default none. */
  readonly up?: Partial<Impairment>;
  /** Impairment from the target to clients. Default none. */
  readonly down?: Partial<Impairment>;
  /** See `UdpRelay.downBitrate`. Default: no limit. */
  readonly downBitrate?: number;
  /** Whether packets of a direction keep their order, also those of different senders. Default true. */
  readonly keepOrder?: boolean;
  /** Maximum number of packets in flight per direction; more are dropped. Default 8192. */
  readonly maxInFlight?: number;
  /** Maximum number of clients; a new one above it evicts the one that has been idle for longest. Default 64. */
  readonly maxClients?: number;
  /** Packets that are impaired; the others are relayed at once. Default: all. */
  readonly impairs?: (packet: Buffer) => boolean;
  /** Seed of the random losses and delays. */
  readonly seed?: number;
}

interface Client {
  readonly port: number;
  readonly address: string;
  /** Its own socket towards the target, so that the target can distinguish clients. */
  readonly upstream: Socket;
  lastSentMs: number;
  /** When the last packet that waits for the bit rate has been sent. */
  freeMs: number;
}

/** Packets to a client that would wait for its bit rate for longer than this are dropped, in milliseconds. */
const maxQueueMs = 100;

/** Requested buffer size of each socket, for bursts of video; the system may grant less. */
const bufferBytes = 4 * 1024 * 1024;

/** A UDP (IPv4) relay in front of a server, with loss and delay in each direction. Settings can be changed at any time. */
export class UdpRelay {
  readonly up: ImpairedPath;
  readonly down: ImpairedPath;
  /** Bit rate from the target to each client, bit/s, as that of its downlink. Packets wait in a queue of 100 ms. */
  downBitrate: number;
  readonly #listener: Socket;
  readonly #clients = new Map<string, Client>();
  readonly #targetHost: string;
  readonly #targetPort: number;
  readonly #maxClients: number;
  readonly #impairs: (packet: Buffer) => boolean;
  #closed = false;

  private constructor(listener: Socket, options: UdpRelayOptions) {
    const { keepOrder, maxInFlight, seed = 1 } = options;
    this.downBitrate = options.downBitrate ?? Infinity;
    this.up = new ImpairedPath({ impairment: options.up, keepOrder, maxInFlight, seed });
    this.down = new ImpairedPath({ impairment: options.down, keepOrder, maxInFlight, seed: seed + 1 });
    this.#listener = listener;
    this.#targetHost = options.targetHost ?? '127.0.0.1';
    this.#targetPort = options.targetPort;
    this.#maxClients = options.maxClients ?? 64;
    this.#impairs = options.impairs ?? (() => true);
  }

  static async start(options: UdpRelayOptions): Promise<UdpRelay> {
    const listener = createSocket({ type: 'udp4', recvBufferSize: bufferBytes, sendBufferSize: bufferBytes });
    const relay = new UdpRelay(listener, options);
    listener.bind(options.port ?? 0, options.host ?? '127.0.0.1');
    await once(listener, 'listening');
    listener.on('error', ignoreError);
    listener.on('message', (data, from) => relay.#fromClient(data, from));
    return relay;
  }

  get port(): number {
    return this.#listener.address().port;
  }

  get clients(): number {
    return this.#clients.size;
  }

  #fromClient(data: Buffer, from: RemoteInfo): void {
    const key = `${from.address}:${from.port}`;
    const client = this.#clients.get(key) ?? this.#admit(key, from);
    client.lastSentMs = performance.now();
    const deliver = (): void => {
      if (this.#clients.get(key) === client) client.upstream.send(data, this.#targetPort, this.#targetHost);
    };
    if (this.#impairs(data)) this.up.send(deliver);
    else deliver();
  }

  #admit(key: string, { address, port }: RemoteInfo): Client {
    if (this.#clients.size >= this.#maxClients) this.#evict();
    const upstream = createSocket({ type: 'udp4', recvBufferSize: bufferBytes, sendBufferSize: bufferBytes });
    const client: Client = { address, port, upstream, lastSentMs: 0, freeMs: 0 };
    this.#clients.set(key, client);
    upstream.on('error', ignoreError);
    upstream.on('message', (data, from) => {
      if (from.port !== this.#targetPort || from.address !== this.#targetHost) return;
      const deliver = (): void => {
        if (!this.#closed) this.#listener.send(data, port, address);
      };
      if (this.#impairs(data)) this.#queue(client, data, () => this.down.send(deliver));
      else deliver();
    });
    return client;
  }

  /** Delays a packet until the client's downlink has sent those before it. */
  #queue(client: Client, { length }: Buffer, send: () => void): void {
    const now = performance.now();
    const startMs = Math.max(now, client.freeMs);
    if (startMs - now > maxQueueMs) return this.down.drop();
    client.freeMs = startMs + (length * 8000) / this.downBitrate;
    if (client.freeMs <= now) send();
    else setTimeout(send, client.freeMs - now);
  }

  #evict(): void {
    let idlest: [string, Client] | undefined;
    for (const entry of this.#clients) if (!idlest || entry[1].lastSentMs < idlest[1].lastSentMs) idlest = entry;
    if (!idlest) return;
    this.#clients.delete(idlest[0]);
    idlest[1].upstream.close();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.up.clear();
    this.down.clear();
    const sockets = [this.#listener, ...Array.from(this.#clients.values(), ({ upstream }) => upstream)];
    this.#clients.clear();
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  }
}

/** Whether a packet carries media: RTP (RFC 3550) and not RTCP, STUN or DTLS on the same port (RFC 5761, RFC 7983). */
export function isRtp(packet: Buffer): boolean {
  const [first = 0, second = 0] = packet;
  const type = second & 0x7f;
  return first >> 6 === 2 && (type < 64 || type > 95);
}

/** A datagram that cannot be sent is lost, as on any path. */
function ignoreError(): void {}
