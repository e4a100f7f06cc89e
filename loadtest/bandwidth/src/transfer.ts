import type { Link } from './link.ts';
import type { Timeline } from './timeline.ts';

const packetBytes = 1200;
/** A window of which nothing arrives is sent again after this time, ms. */
const timeoutMs = 1000;

/** A bulk transfer whose window grows by a packet per round trip and is halved by a loss, like that of TCP Reno. */
export class Transfer {
  #window = 4;
  #threshold = 64;
  #inFlight = 0;
  #halvedMs = -Infinity;
  #heardMs = 0;

  constructor(
    private readonly timeline: Timeline,
    private readonly link: Link,
    private readonly delayMs: number,
    private readonly untilMs: number,
  ) {}

  start(): void {
    this.#heardMs = this.timeline.nowMs;
    this.#fill();
    this.#watch();
  }

  #fill(): void {
    while (this.#inFlight < Math.floor(this.#window) && this.timeline.nowMs < this.untilMs) {
      this.#inFlight++;
      this.link.send(
        packetBytes,
        () => this.timeline.after(this.delayMs, () => this.#onAcknowledged()),
        // The sender learns of a loss a round trip later, by the packets behind.
        () => this.timeline.after(4 * this.delayMs, () => this.#onLost()),
      );
    }
  }

  #onAcknowledged(): void {
    this.#inFlight = Math.max(0, this.#inFlight - 1);
    this.#heardMs = this.timeline.nowMs;
    this.#window += this.#window < this.#threshold ? 1 : 1 / this.#window;
    this.#fill();
  }

  #onLost(): void {
    this.#inFlight = Math.max(0, this.#inFlight - 1);
    if (this.timeline.nowMs - this.#halvedMs > 4 * this.delayMs) {
      this.#halvedMs = this.timeline.nowMs;
      this.#window = this.#threshold = Math.max(2, this.#window / 2);
    }
    this.#fill();
  }

  #watch(): void {
    if (this.timeline.nowMs - this.#heardMs > timeoutMs) {
      this.#inFlight = 0;
      this.#window = 2;
      this.#heardMs = this.timeline.nowMs;
      this.#fill();
    }
    if (this.timeline.nowMs < this.untilMs) this.timeline.after(timeoutMs / 2, () => this.#watch());
  }
}
