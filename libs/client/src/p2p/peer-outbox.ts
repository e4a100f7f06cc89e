import { errorCatalogue, FlotillaError, type NegotiationEvent } from '@flotilla/contracts';

/** Parts in the queue at most. A connection needs some tens; with more than this both sides are out of sync. */
const maxQueued = 256;
const maxPauseMs = 4000;

export interface OutboxHost {
  send(part: NegotiationEvent): Promise<unknown>;
  /** The server refused a part for good: the other side does not have what this side assumes. */
  onRefused(error: FlotillaError): void;
}

/** Sends the parts of a negotiation to the server: in order, each repeated until it is answered, also across a reconnect. */
export class PeerOutbox {
  readonly #queue: NegotiationEvent[] = [];
  #sending = false;
  #closed = false;
  #wake: () => void = () => undefined;

  constructor(private readonly host: OutboxHost) {}

  send(part: NegotiationEvent): void {
    if (this.#closed) return;
    if (this.#queue.length >= maxQueued) return this.host.onRefused(new FlotillaError('RATE_LIMITED'));
    this.#queue.push(part);
    if (!this.#sending) void this.#sendAll();
  }

  /** The signaling connection was resumed: ends the pause before the next attempt. */
  resume(): void {
    this.#wake();
  }

  async #sendAll(): Promise<void> {
    this.#sending = true;
    for (let failures = 0; this.#queue.length > 0 && !this.#closed;) {
      const part = this.#queue[0]!;
      try {
        await this.host.send(part);
        this.#queue.shift();
        failures = 0;
      } catch (error) {
        const failure = FlotillaError.from(error);
        if (errorCatalogue[failure.code].retry) {
          // Repeating it is harmless: the server recognises a description that it has.
          await this.#pause(Math.min(250 * 2 ** failures++, maxPauseMs));
          continue;
        }
        this.#queue.shift();
        if (!this.#closed && matters(part, failure)) this.host.onRefused(failure);
      }
    }
    this.#sending = false;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  close(): void {
    this.#closed = true;
    this.#queue.length = 0;
    this.#wake();
  }
}

/** Whether a refusal means more than that the part came too late. */
function matters({ kind }: NegotiationEvent, { code }: FlotillaError): boolean {
  // The offer of the other side counts, and was received or is on its way.
  if (code === 'GLARE') return false;
  // The other side left; `participant_left` follows.
  if (code === 'PARTICIPANT_NOT_FOUND' || code === 'NOT_IN_ROOM') return false;
  // It belongs to an offer that was superseded.
  return kind !== 'candidate' && kind !== 'end_of_candidates';
}
