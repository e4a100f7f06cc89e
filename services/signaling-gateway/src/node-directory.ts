import type { RtpCapabilities } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { NodeStore } from '@flotilla/store';

const refreshMs = 5000;

/** Keeps the RTP capabilities of the SFU nodes, which clients load their devices with. */
export class NodeDirectory {
  #rtpCapabilities: RtpCapabilities | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly nodes: NodeStore,
    private readonly log: Logger,
  ) {}

  async start(): Promise<void> {
    await this.#refresh();
    this.#timer = setInterval(() => void this.#refresh(), refreshMs);
  }

  async #refresh(): Promise<void> {
    try {
      const alive = (await this.nodes.list()).filter((node) => node.alive).sort((a, b) => b.startedAt - a.startedAt);
      // All nodes have the same; during an upgrade those of the newest count.
      this.#rtpCapabilities = alive[0]?.rtpCapabilities ?? this.#rtpCapabilities;
    } catch (error) {
      this.log.debug({ err: error }, 'nodes not read');
    }
  }

  /** Undefined until an SFU node has reported. */
  async rtpCapabilities(): Promise<RtpCapabilities | undefined> {
    if (!this.#rtpCapabilities) await this.#refresh();
    return this.#rtpCapabilities;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
