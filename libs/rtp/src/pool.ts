/** A packet in a buffer of a pool. It returns to the pool when all that retained it have released it. */
export class PooledPacket {
  /** Length of the packet in `bytes`. */
  length = 0;
  #references = 0;

  constructor(
    readonly bytes: Buffer,
    private readonly recycle: (packet: PooledPacket) => void,
  ) {}

  /** Adds a reference, for a further holder. */
  retain(): this {
    this.#references++;
    return this;
  }

  /** @throws Error when it has been released by all holders before. */
  release(): void {
    if (this.#references === 0) throw new Error('a packet was released more often than retained');
    if (--this.#references === 0) this.recycle(this);
  }
}

export interface PacketPoolOptions {
  /** Capacity of a packet in bytes. Default 1,500: an Ethernet frame. */
  readonly packetBytes?: number;
  /** Number of free packets to keep. Further ones are left to the garbage collector. Default 1,024. */
  readonly maxFree?: number;
}

/** Buffers for packets, allocated on demand and used again. */
export class PacketPool {
  readonly packetBytes: number;
  readonly #maxFree: number;
  readonly #free: PooledPacket[] = [];
  #created = 0;
  readonly #recycle = (packet: PooledPacket): void => {
    if (this.#free.length < this.#maxFree) this.#free.push(packet);
  };

  constructor({ packetBytes = 1500, maxFree = 1024 }: PacketPoolOptions = {}) {
    this.packetBytes = packetBytes;
    this.#maxFree = maxFree;
  }

  /** Number of buffers allocated so far. */
  get created(): number {
    return this.#created;
  }

  /** Number of free packets. */
  get free(): number {
    return this.#free.length;
  }

  /** An empty packet with one reference, the caller's. Its bytes are undefined. */
  acquire(): PooledPacket {
    let packet = this.#free.pop();
    if (!packet) {
      this.#created++;
      packet = new PooledPacket(Buffer.allocUnsafeSlow(this.packetBytes), this.#recycle);
    }
    packet.length = 0;
    return packet.retain();
  }

  /** A copy with one reference; undefined when the packet is longer than `packetBytes`. */
  copyOf(bytes: Buffer, length: number = bytes.length): PooledPacket | undefined {
    if (length > this.packetBytes) return undefined;
    const packet = this.acquire();
    packet.length = bytes.copy(packet.bytes, 0, 0, length);
    return packet;
  }
}
