import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Delay, DelayLine, noDelay } from './delay-line.ts';

/** Impairment of a relay, from the point of view of its clients. */
export interface TcpImpairment {
  readonly up: Delay;
  readonly down: Delay;
  /** Whether nothing passes: data waits, as TCP repeats it, and new connections get no answer. */
  readonly blocked: boolean;
}

export const unimpaired: TcpImpairment = { up: noDelay, down: noDelay, blocked: false };

/** Bytes in flight in a direction of a connection above which the relay stops reading. */
const maxInFlight = 4 * 1024 * 1024;

export interface RelayOptions {
  /** Where new connections lead; of several the first that accepts. */
  readonly targets: () => readonly { readonly host: string; readonly port: number }[];
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default: a free one. */
  readonly port?: number;
}

/** A TCP relay in front of a server, whose path can be impaired at any time. */
export class TcpRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #lines = new Set<DelayLine>();
  /** What waits while the relay is blocked. */
  #held: (() => void)[] = [];
  #impairment = unimpaired;

  private constructor(private readonly options: RelayOptions) {
    this.#server = createServer({ allowHalfOpen: true }, (client) => void this.#relay(client));
  }

  static async start(options: RelayOptions): Promise<TcpRelay> {
    const relay = new TcpRelay(options);
    relay.#server.listen(options.port ?? 0, options.host ?? '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Impairs what is sent from now on, also over open connections. */
  impair(change: Partial<TcpImpairment>): void {
    this.#impairment = { ...this.#impairment, ...change };
    if (this.#impairment.blocked) return;
    for (const deliver of this.#held.splice(0)) deliver();
  }

  async #relay(client: Socket): Promise<void> {
    this.#keep(client);
    if (this.#impairment.blocked) await new Promise<void>((resolve) => this.#held.push(resolve));
    const upstream = await this.#connect();
    if (!upstream || client.destroyed) {
      upstream?.destroy();
      client.resetAndDestroy();
      return;
    }
    this.#keep(upstream);
    for (const [from, to, direction] of [
      [client, upstream, 'up'],
      [upstream, client, 'down'],
    ] as const)
      this.#forward(from, to, direction);
  }

  async #connect(): Promise<Socket | undefined> {
    for (const target of this.options.targets()) {
      const socket = connect({ ...target, allowHalfOpen: true });
      try {
        await once(socket, 'connect');
        return socket;
      } catch {
        socket.destroy();
      }
    }
    return undefined;
  }

  #forward(from: Socket, to: Socket, direction: 'up' | 'down'): void {
    const line = new DelayLine(() => this.#impairment[direction]);
    this.#lines.add(line);
    let inFlight = 0;
    const later = (bytes: number, deliver: () => void): void => {
      inFlight += bytes;
      if (inFlight > maxInFlight) from.pause();
      line.send(() => {
        const arrive = (): void => {
          inFlight -= bytes;
          if (inFlight <= maxInFlight) from.resume();
          deliver();
        };
        if (this.#impairment.blocked) this.#held.push(arrive);
        else arrive();
      });
    };
    from.on('data', (data: Buffer) => later(data.length, () => to.destroyed || to.write(data)));
    from.on('end', () => later(0, () => to.end()));
    from.on('close', () => {
      this.#lines.delete(line);
      // What is in flight still arrives, then the other side closes too.
      later(0, () => to.destroy());
    });
  }

  #keep(socket: Socket): void {
    socket.setNoDelay();
    this.#sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
  }

  async close(): Promise<void> {
    for (const line of this.#lines) line.clear();
    this.#held = [];
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
