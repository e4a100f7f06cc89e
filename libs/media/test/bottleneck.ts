import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** An end of a path between two UDP sockets that each send to one fixed address. */
interface Side {
  readonly socket: Socket;
  /** Port of the program on this side. */
  port: number | undefined;
}

/**
 * A path on 127.0.0.1 between two ports, with a bit rate from the first to the second. What exceeds it waits for at most
 * 100 ms and is dropped. The way back has no limit.
 */
export class Bottleneck {
  /** bit/s. */
  bitrate = Infinity;
  dropped = 0;
  #freeMs = 0;
  readonly #timers = new Set<NodeJS.Timeout>();

  private constructor(
    private readonly first: Side,
    private readonly second: Side,
  ) {
    first.socket.on('message', (data) => this.#forward(data));
    second.socket.on('message', (data) => send(first, data));
  }

  static async open(): Promise<Bottleneck> {
    const sides = [1, 2].map((): Side => ({ socket: createSocket('udp4'), port: undefined }));
    for (const { socket } of sides) {
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
    }
    return new Bottleneck(sides[0]!, sides[1]!);
  }

  /** The ports that the programs send to, and receive from: of the first side, and of the second. */
  get ports(): [number, number] {
    return [this.first.socket.address().port, this.second.socket.address().port];
  }

  /** Connects the programs with these ports. */
  connect(first: number, second: number): void {
    this.first.port = first;
    this.second.port = second;
  }

  #forward(data: Buffer): void {
    const now = performance.now();
    const startMs = Math.max(now, this.#freeMs);
    if (startMs - now > 100) {
      this.dropped++;
      return;
    }
    this.#freeMs = startMs + (data.length * 8000) / this.bitrate;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      send(this.second, data);
    }, this.#freeMs - now);
    this.#timers.add(timer);
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const { socket } of [this.first, this.second]) socket.close();
  }
}

function send({ socket, port }: Side, data: Buffer): void {
  if (port !== undefined) socket.send(data, port, '127.0.0.1');
}
