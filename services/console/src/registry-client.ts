import {
  CreateRoom,
  FlotillaError,
  IssuedToken,
  type IssueFleetToken,
  IssueToken,
  RestError,
  RoomName,
  roomGrants,
  type restRoutes,
} from '@flotilla/contracts';
import type { z } from 'zod';

const timeoutMs = 5000;

/** Client of the registry's REST API. */
export class RegistryClient {
  constructor(
    /** Returns the base URL. Called at each request: in standalone the port is known only after listening. */
    private readonly url: () => string,
    /** Returns the key for join tokens, which is loaded again when its file changes. */
    private readonly apiKey: () => string | undefined,
  ) {}

  /** Issues a join token; creates the room if no room has that name. */
  async issueJoinToken(room: string, name: string): Promise<IssuedToken> {
    const newRoom: z.input<typeof CreateRoom> = { name: RoomName.parse(room) };
    await this.#post('/v1/rooms' satisfies (typeof restRoutes)['createRoom']['path'], newRoom, this.apiKey()).catch(
      (error: unknown) => {
        // An existing room keeps its settings.
        if (FlotillaError.from(error).code !== 'ROOM_EXISTS') throw error;
      },
    );
    const request: z.input<typeof IssueToken> = { name, grants: [...roomGrants] };
    return IssuedToken.parse(await this.#post(`/v1/rooms/${room}/tokens`, request, this.apiKey()));
  }

  /** Issues a fleet token with the caller's API key, never with the console's: that one is for guests' join tokens only. */
  async issueFleetToken(key: string | undefined): Promise<IssuedToken> {
    const request: z.input<typeof IssueFleetToken> = { grants: ['admin'], userId: 'console' };
    const path: (typeof restRoutes)['issueFleetToken']['path'] = '/v1/tokens';
    return IssuedToken.parse(await this.#post(path, request, key));
  }

  async #post(path: string, body: object, key: string | undefined): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch(new URL(path, this.url()), {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(key !== undefined && { authorization: `Bearer ${key}` }),
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      });
    } catch (error) {
      throw new FlotillaError('UNAVAILABLE', 'the room registry cannot be reached', {
        cause: error,
      });
    }
    const reply: unknown = await response.json().catch(() => undefined);
    if (response.ok) return reply;
    const refusal = RestError.safeParse(reply);
    if (refusal.success) throw new FlotillaError(refusal.data.error.code, refusal.data.error.message);
    // A proxy answered in place of the registry.
    throw new FlotillaError('UNAVAILABLE', `${new URL(path, this.url()).host} answered HTTP ${response.status}`);
  }
}
