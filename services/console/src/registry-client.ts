import { type Backend, type BackendOptions, createBackend } from '@flotilla/backend';
import { FlotillaError, type IssuedToken, RoomName, roomGrants } from '@flotilla/contracts';
import { CallGuard, type CallGuardOptions, type CallOutcome, type Settled } from '@flotilla/resilience';
import { giveOrder, type Order } from './operations/orders.ts';
import type { OperationsView } from './operations/view.ts';

const timeoutMs = 5000;
const probeTimeoutMs = 1000;
const target = { kind: 'rest', name: 'the room registry', isInstance: false } as const;

/** What the registry answers itself, it answers at once. An error without an answer has a cause. */
const outcomeOf = (settled: Settled<unknown>): CallOutcome =>
  'error' in settled && FlotillaError.from(settled.error).cause !== undefined ? 'failed' : 'answered';

export interface RegistryClientOptions {
  /** Returns the base URL. Called at each request: in standalone the port is known only after listening. */
  readonly url: () => string;
  /** Returns the key for join tokens, which is loaded again when its file changes. */
  readonly apiKey: () => string | undefined;
  /** Sends the requests, where the REST API needs certificates that the global `fetch` cannot be given. */
  readonly fetch?: BackendOptions['fetch'];
  /** Called when the registry does not answer, with the reason, which guests are not told. */
  readonly onUnreachable?: (error: FlotillaError) => void;
  /** Default: requests are sent whether the registry answers or not. */
  readonly breaker?: Omit<CallGuardOptions, 'probe'>;
}

/** What the console asks of the room registry. */
export class RegistryClient {
  readonly #guard: CallGuard | undefined;

  constructor(private readonly options: RegistryClientOptions) {
    const { breaker } = options;
    this.#guard = breaker && new CallGuard({ ...breaker, probe: () => this.#probe() });
  }

  /** Issues a join token; creates the room if no room has that name. */
  issueJoinToken(room: string, name: string): Promise<IssuedToken> {
    return this.#ask(this.options.apiKey(), async (registry) => {
      await registry.createRoom({ name: RoomName.parse(room) }).catch((error: unknown) => {
        // An existing room keeps its settings.
        if (FlotillaError.from(error).code !== 'ROOM_EXISTS') throw error;
      });
      return registry.issueToken({ room, name, grants: [...roomGrants] });
    });
  }

  /** Issues a fleet token with the caller's API key, never with the console's: that one is for guests' join tokens only. */
  issueFleetToken(key: string | undefined): Promise<IssuedToken> {
    return this.#ask(key, (registry) => registry.issueFleetToken({ grants: ['admin'], userId: 'console' }));
  }

  /** The state of the fleet, and the key that it is read with, which is the caller's. */
  readOperations(key: string | undefined): Promise<Pick<OperationsView, 'key' | 'fleet'>> {
    return this.#ask(key, async (registry) => {
      const [info, fleet] = await Promise.all([registry.getApiKey(), registry.getOperations()]);
      return { key: info, fleet };
    });
  }

  /** Gives an order with the caller's key. */
  giveOrder(key: string | undefined, order: Order): Promise<void> {
    return this.#ask(key, (registry) => giveOrder(registry, order));
  }

  async #probe(): Promise<'answered' | 'failed'> {
    const { url, fetch = globalThis.fetch } = this.options;
    const signal = AbortSignal.timeout(probeTimeoutMs);
    return fetch(new URL('/v1/openapi.json', url()), { method: 'HEAD', signal }).then(
      () => 'answered' as const,
      () => 'failed' as const,
    );
  }

  /** Guests are not given the address of a registry without an answer. Nothing is repeated: people repeat what they need. */
  async #ask<T>(apiKey: string | undefined, request: (registry: Backend) => Promise<T>): Promise<T> {
    const { url, fetch, onUnreachable } = this.options;
    try {
      const backend = createBackend({ url: url(), apiKey, fetch, timeoutMs, repeats: false });
      const send = (): Promise<T> => request(backend);
      return await (this.#guard ? this.#guard.call(target, send, outcomeOf) : send());
    } catch (error) {
      if (!(error instanceof FlotillaError) || error.cause === undefined) throw error;
      onUnreachable?.(error);
      throw new FlotillaError('UNAVAILABLE', 'the room registry cannot be reached', { cause: error });
    }
  }
}
