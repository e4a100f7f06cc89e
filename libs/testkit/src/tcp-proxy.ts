import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Direction of data, from the client's point of view. */
type Direction = 'sent' | 'received';

/** A TCP relay in front of a server, which can be cut and restored. */
export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut = false;
  #targetPort = 0;
  #trigger: { readonly direction: Direction; readonly text: Buffer; readonly resolve: () => void } | undefined;
  #unanswered = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(targetPort: number, targetHost = '127.0.0.1'): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      if (proxy.#cut) {
        client.destroy();
        return;
      }
      if (proxy.#unanswered > 0) {
        proxy.#unanswered--;
        proxy.#keep(client);
        return;
      }
      const upstream = connect({ port: proxy.#targetPort, host: targetHost, allowHalfOpen: true });
      client.on('data', (data) => proxy.#watch('sent', data));
      upstream.on('data', (data) => proxy.#watch('received', data));
      client.pipe(upstream).pipe(client);
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        proxy.#keep(socket);
        socket.setNoDelay();
        socket.on('error', () => other.destroy());
        socket.on('close', () => other.destroy());
      }
    });
    const proxy = new TcpProxy(server);
    proxy.#targetPort = targetPort;
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Sends new connections to another port, as a load balancer does. Open ones stay. */
  redirectTo(targetPort: number): void {
    this.#targetPort = targetPort;
  }

  /** Accepts the next `count` connections and never answers them, as an address at which no machine runs. */
  leaveUnanswered(count: number): void {
    this.#unanswered = count;
  }

  /** Stops forwarding on the open connections, as when the machine behind them loses power. */
  freeze(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
  }

  /** Resets every connection, and every new one, until `restore`. */
  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /**
   * Cuts when a client sends or receives data with this text within one chunk of a socket. The chunk is not forwarded. Resolves after
   * the cut.
   */
  cutAt(direction: Direction, text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#trigger = { direction, text: Buffer.from(text), resolve };
    });
  }

  #watch(direction: Direction, data: Buffer): void {
    const trigger = this.#trigger;
    if (trigger?.direction !== direction || !data.includes(trigger.text)) return;
    this.#trigger = undefined;
    this.cut();
    trigger.resolve();
  }

  restore(): void {
    this.#cut = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
