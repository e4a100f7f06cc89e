import { EdgePeer } from '@flotilla/edge-peer';
import { type RestApi } from '@flotilla/testkit';

export interface SubscriberOptions {
  readonly api: RestApi;
  readonly gatewayUrl: string;
  readonly room: string;
}

/** After it, a subscriber that has received nothing is given up, in milliseconds. */
const firstPacketWithinMs = 20_000;

/** A participant that publishes nothing. */
export class Subscriber {
  #lastAt: number | undefined;
  #longestGapMs = 0;
  #peer: EdgePeer | undefined;
  readonly problems: string[] = [];
  readonly #first = Promise.withResolvers<number>();

  /** Joins and receives. Resolves with the time to the first packet, from before it connected, in milliseconds. */
  async join({ api, gatewayUrl, room }: SubscriberOptions): Promise<number> {
    const token = await api.issueToken(room, { grants: ['subscribe'] });
    const began = performance.now();
    const givenUp = setTimeout(
      () => this.#first.reject(new Error(`no packet within ${firstPacketWithinMs / 1000} s`)),
      firstPacketWithinMs,
    );
    try {
      this.#peer = await EdgePeer.join({
        url: gatewayUrl,
        token: () => Promise.resolve(token),
        room,
        handlers: {
          onPacket: (_publicationId, _packet, now) => this.#onPacket(now),
          onProblem: (problem) => this.problems.push(problem),
          onClosed: ({ message }) => this.problems.push(message),
        },
      });
      return (await this.#first.promise) - began;
    } finally {
      clearTimeout(givenUp);
    }
  }

  #onPacket(now: number): void {
    if (this.#lastAt === undefined) this.#first.resolve(now);
    else this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastAt);
    this.#lastAt = now;
  }

  get nodeId(): string {
    return this.#peer?.nodeId ?? '';
  }

  /** The longest time without a packet since the last call, up to now, in milliseconds. */
  takeLongestGap(): number {
    const now = performance.now();
    const gap = Math.max(this.#longestGapMs, now - (this.#lastAt ?? 0));
    this.#longestGapMs = 0;
    return gap;
  }

  close(): void {
    // Nothing awaits a first packet any more.
    this.#first.promise.catch(() => undefined);
    this.#peer?.close();
  }
}
