import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { PipeListen } from '@flotilla/media';
import { TokenBucket } from '@flotilla/runtime';

/** A probe is sent this often, with this pause, until it is answered. A packet may be lost, and the other process may be busy. */
const attempts = 4;
const pauseMs = 400;
/** Answers per second, in bursts of twice as many. A node is probed by each other one every few seconds at most. */
const answersPerSecond = 100;

/** As long as each other, so that nobody gets more bytes from a node than they sent. */
const message = /^flotilla (query|reply) (nd_\S{1,60}) ([0-9a-f]{32})$/;
const maxMessageBytes = 128;

/**
 * A UDP port among those for pipes, which answers the probes of other nodes and sends own ones from there: whether packets get from node
 * to node as the media of pipes does.
 */
export class PipeProbe {
  /** By the random number of their probe. */
  readonly #pending = new Map<string, () => void>();
  readonly #answers = new TokenBucket(answersPerSecond, 2 * answersPerSecond);

  private constructor(
    private readonly nodeId: string,
    private readonly socket: Socket,
  ) {
    socket.on('message', (bytes, { address, port }) => this.#onMessage(bytes, address, port));
    // An unreachable port or host; the probe is not answered then.
    socket.on('error', () => undefined);
  }

  /** Throws when no port can be listened on. */
  static async open(nodeId: string, listen: PipeListen): Promise<PipeProbe> {
    return new PipeProbe(nodeId, await bound(listen));
  }

  get port(): number {
    return this.socket.address().port;
  }

  #onMessage(bytes: Buffer, address: string, port: number): void {
    if (bytes.length > maxMessageBytes) return;
    const [, kind, nodeId, random = ''] = message.exec(bytes.toString('latin1')) ?? [];
    if (kind === 'reply') this.#pending.get(`${nodeId} ${random}`)?.();
    // Another node may have had this address.
    else if (kind === 'query' && nodeId === this.nodeId && this.#answers.take())
      this.socket.send(`flotilla reply ${nodeId} ${random}`, port, address, () => undefined);
  }

  /** Whether a node answers at the address within 1.6 s. */
  async reaches(nodeId: string, ip: string, port: number): Promise<boolean> {
    const random = randomBytes(16).toString('hex');
    const answered = Promise.withResolvers<boolean>();
    const key = `${nodeId} ${random}`;
    this.#pending.set(key, () => answered.resolve(true));
    try {
      for (let attempt = 0; attempt < attempts; attempt++) {
        this.socket.send(`flotilla query ${nodeId} ${random}`, port, ip, () => undefined);
        if (await Promise.race([answered.promise, pause(pauseMs, false)])) return true;
      }
      return false;
    } catch {
      // The socket was closed, or is of the other address family, as a pipe would be.
      return false;
    } finally {
      this.#pending.delete(key);
    }
  }

  close(): void {
    this.socket.close();
  }
}

/** A socket on the last free one of the ports, because pipes begin with any. */
async function bound({ ip, ports }: PipeListen): Promise<Socket> {
  for (let port = ports?.max ?? 0; ; port--) {
    const socket = createSocket(isIPv6(ip) ? 'udp6' : 'udp4');
    try {
      socket.bind({ port, address: ip, exclusive: true });
      await once(socket, 'listening');
      return socket;
    } catch (error) {
      socket.close();
      if (!ports || port <= ports.min || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}
