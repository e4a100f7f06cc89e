import { type Backend, createBackend } from '@flotilla/backend';
import { FlotillaError, type IssuedToken, RoomName, roomGrants } from '@flotilla/contracts';

const timeoutMs = 5000;

/** What the console asks of the room registry. */
export class RegistryClient {
  constructor(
    /** Returns the base URL. Called at each request: in standalone the port is known only after listening. */
    private readonly url: () => string,
    /** Returns the key for join tokens, which is loaded again when its file changes. */
    private readonly apiKey: () => string | undefined,
  ) {}

  /** Issues a join token; creates the room if no room has that name. */
  issueJoinToken(room: string, name: string): Promise<IssuedToken> {
    return this.#ask(this.apiKey(), async (registry) => {
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
    try {
      return await request(createBackend({ url: this.url(), apiKey, timeoutMs, repeats: false }));
    } catch (error) {
      const hasAnswer = !(error instanceof FlotillaError) || error.cause === undefined;
      throw hasAnswer
        ? error
        : new FlotillaError('UNAVAILABLE', 'the room registry cannot be reached', { cause: error });
    }
  }
}
