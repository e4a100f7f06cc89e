import type { RtpCapabilities } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { NodeStore } from '@flotilla/store';

const everyMs = 5000;

/** What the gateway knows of the SFU nodes: the capabilities that clients load their devices with. */
export class NodeDirectory {
  #rtpCapabilities: RtpCapabilities | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly nodes: NodeStore,
    private readonly log: Logger,
  ) {}

  start(): void {
    const refresh = (): void => void this.#refresh();
    refresh();
    this.#timer = setInterval(refresh, everyMs);
  }

  async #refresh(): Promise<void> {
    try {
      const alive = (await this.nodes.list()).filter((node) => node.alive).sort((a, b) => b.startedAt - a.startedAt);
      // All nodes speak the same; while they are being upgraded the newest sets the tone.
      this.#rtpCapabilities = alive[0]?.rtpCapabilities ?? this.#rtpCapabilities;
    } catch (error) {
      this.log.debug({ err: error }, 'nodes not read');
    }
  }

  async rtpCapabilities(): Promise<RtpCapabilities | undefined> {
    if (!this.#rtpCapabilities) await this.#refresh();
    return this.#rtpCapabilities;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
