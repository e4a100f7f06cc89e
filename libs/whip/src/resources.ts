import { FlotillaError } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { FleetSessionOptions } from './fleet-session.ts';
import type { WhipLimits } from './limits.ts';
import type { Opened } from './opened.ts';
import { Problem } from './problem.ts';
import { endedMeanwhile, Resource } from './resource.ts';

export interface CreateOptions {
  readonly kind: 'whip' | 'whep';
  /** Of the client. */
  readonly address: string;
  readonly token: string;
  readonly iceUfrag: string;
  /** Aborts when the client has disconnected. */
  readonly disconnected: AbortSignal;
  /** Whether `token` would be accepted now. */
  readonly isAccepted: () => boolean;
  readonly open: (signal: FleetSessionOptions['signal']) => Promise<Opened>;
}

/** The resources of an endpoint, within its limits. */
export class Resources {
  readonly #resources = new Map<string, Resource>();
  readonly #perAddress = new Map<string, number>();
  #count = 0;
  #closed = false;

  constructor(
    private readonly limits: WhipLimits,
    private readonly log: Logger,
  ) {}

  get size(): number {
    return this.#resources.size;
  }

  find(id: string): Resource | undefined {
    return this.#resources.get(id);
  }

  /**
   * Sets a resource up.
   * @throws Problem 503 and 429 at the limits, FlotillaError with the reason of the fleet, DEADLINE_EXCEEDED.
   */
  async create(options: CreateOptions): Promise<Resource> {
    const { kind, address, token, iceUfrag, isAccepted } = options;
    const free = this.#take(address);
    let opened: Opened;
    try {
      opened = await this.#open(options);
    } catch (error) {
      free();
      throw error;
    }
    const resource = new Resource(opened, {
      token,
      iceUfrag: opened.accept ? undefined : iceUfrag,
      answerWithinMs: this.limits.answerWithinMs,
      isAccepted,
      onEnded: (reason) => {
        free();
        this.#resources.delete(resource.id);
        this.log.info({ kind, participantId: opened.session.participantId, reason }, 'WHIP resource ended');
      },
    });
    resource.endIfRevoked();
    if (opened.session.ended) {
      free();
      throw endedMeanwhile();
    }
    this.#resources.set(resource.id, resource);
    if (this.#closed) resource.end('closed');
    this.log.info({ kind, participantId: opened.session.participantId }, 'WHIP resource created');
    return resource;
  }

  #open({ open, disconnected }: CreateOptions): Promise<Opened> {
    const { setUpWithinMs } = this.limits;
    const aborted = new AbortController();
    const timedOut = AbortSignal.timeout(setUpWithinMs);
    return new Promise<Opened>((resolve, reject) => {
      const abort = (error: Error) => (): void => {
        reject(error);
        aborted.abort();
      };
      const onTimeout = abort(new FlotillaError('DEADLINE_EXCEEDED', `not set up within ${setUpWithinMs} ms`));
      const onDisconnected = abort(new Problem(499, 'the client disconnected'));
      timedOut.addEventListener('abort', onTimeout);
      disconnected.addEventListener('abort', onDisconnected);
      open(aborted.signal)
        .then(resolve, reject)
        .finally(() => {
          timedOut.removeEventListener('abort', onTimeout);
          disconnected.removeEventListener('abort', onDisconnected);
        });
    });
  }

  /** Counts a resource. Returns the function that frees its place, which may be called twice. */
  #take(address: string): () => void {
    const { maxResources, maxResourcesPerAddress } = this.limits;
    const retry = { 'retry-after': '5' };
    const ofAddress = this.#perAddress.get(address) ?? 0;
    if (this.#closed || this.#count >= maxResources)
      throw new Problem(503, 'the endpoint is at its limit', retry, 'OVERLOADED');
    if (ofAddress >= maxResourcesPerAddress)
      throw new Problem(429, 'too many resources of this address', retry, 'RATE_LIMITED');
    this.#count++;
    this.#perAddress.set(address, ofAddress + 1);
    let isFree = false;
    return () => {
      if (isFree) return;
      isFree = true;
      this.#count--;
      const left = this.#perAddress.get(address)! - 1;
      if (left === 0) this.#perAddress.delete(address);
      else this.#perAddress.set(address, left);
    };
  }

  /** Ends the resources whose bearer token is not accepted any more. */
  endRevoked(): void {
    for (const resource of [...this.#resources.values()]) resource.endIfRevoked();
  }

  /** Ends all resources and refuses further ones. */
  close(): void {
    this.#closed = true;
    for (const resource of [...this.#resources.values()]) resource.end('closed');
  }
}
