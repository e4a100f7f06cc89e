import { type Backend, type BackendOptions, createBackend } from '@flotilla/backend';
import { FlotillaError, type IssuedToken, RoomName, roomGrants } from '@flotilla/contracts';

const timeoutMs = 5000;

export interface RegistryClientOptions {
  /** Returns the base URL. Called at each request: in standalone the port is known only after listening. */
  readonly url: () => string;
  /** Returns the key for join tokens, which is loaded again when its file changes. */
  readonly apiKey: () => string | undefined;
  /** Sends the requests, where the REST API needs certificates that the global `fetch` cannot be given. */
  readonly fetch?: BackendOptions['fetch'];
  /** Called when the registry does not answer, with the reason, which guests are not told. */
  readonly onUnreachable?: (error: FlotillaError) => void;
}

/** What the console asks of the room registry. */
export class RegistryClient {
  constructor(private readonly options: RegistryClientOptions) {}

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

  /** Guests are not given the address of a registry without an answer. Nothing is repeated: people repeat what they need. */
  async #ask<T>(apiKey: string | undefined, request: (registry: Backend) => Promise<T>): Promise<T> {
    const { url, fetch, onUnreachable } = this.options;
    try {
      return await request(createBackend({ url: url(), apiKey, fetch, timeoutMs, repeats: false }));
    } catch (error) {
      if (!(error instanceof FlotillaError) || error.cause === undefined) throw error;
      onUnreachable?.(error);
      throw new FlotillaError('UNAVAILABLE', 'the room registry cannot be reached', { cause: error });
    }
  }
}
