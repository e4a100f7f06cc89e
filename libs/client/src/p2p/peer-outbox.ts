import { errorCatalogue, FlotillaError, type NegotiationEvent } from '@flotilla/contracts';

/** Parts that may wait. A connection needs some tens; with more than this the two are out of step. */
const maxWaiting = 256;
const longestPauseMs = 4000;

export interface OutboxHost {
  send(part: NegotiationEvent): Promise<unknown>;
  /** What was refused for good, and so whether the other side has it is not what this side thinks. */
  refused(error: FlotillaError): void;
}

/** Parts of a negotiation on their way to the server: in order, each until it is answered, also across a reconnect. */
export class PeerOutbox {
  readonly #waiting: NegotiationEvent[] = [];
  #sending = false;
  #closed = false;
  #wake: () => void = () => undefined;

  constructor(private readonly host: OutboxHost) {}

  say(part: NegotiationEvent): void {
    if (this.#closed) return;
    if (this.#waiting.length >= maxWaiting) return this.host.refused(new FlotillaError('RATE_LIMITED'));
    this.#waiting.push(part);
    if (!this.#sending) void this.#sendAll();
  }

  /** The connection to the server is back: no need to wait any longer. */
  resume(): void {
    this.#wake();
  }

  async #sendAll(): Promise<void> {
    this.#sending = true;
    for (let failures = 0; this.#waiting.length > 0 && !this.#closed;) {
      const part = this.#waiting[0]!;
      try {
        await this.host.send(part);
        this.#waiting.shift();
        failures = 0;
      } catch (error) {
        const failure = FlotillaError.from(error);
        if (errorCatalogue[failure.code].retry) {
          // Said again it does no harm: the server knows a description that it has.
          await this.#pause(Math.min(250 * 2 ** failures++, longestPauseMs));
          continue;
        }
        this.#waiting.shift();
        if (!this.#closed && matters(part, failure)) this.host.refused(failure);
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
    this.#waiting.length = 0;
    this.#wake();
  }
}

/** Whether a refusal means more than that the part came too late. */
function matters({ kind }: NegotiationEvent, { code }: FlotillaError): boolean {
  // Their offer counts, and is with us or on its way.
  if (code === 'GLARE') return false;
  // They left; the room tells.
  if (code === 'PARTICIPANT_NOT_FOUND' || code === 'NOT_IN_ROOM') return false;
  // Of an offer that was overtaken.
  return kind !== 'candidate' && kind !== 'end_of_candidates';
}
