import {
  CreateRoom,
  FlotillaError,
  IssuedToken,
  type IssueFleetToken,
  IssueToken,
  RestError,
  RoomName,
  type restRoutes,
} from '@flotilla/contracts';
import type { z } from 'zod';

const timeoutMs = 5000;

/** The registry's REST API, as far as the console needs it. */
export class RegistryClient {
  constructor(
    /** Where it is; asked at each call, for one that is known only later. */
    private readonly url: () => string,
    private readonly apiKey: string | undefined,
  ) {}

  /** A token for a room, which is created when there is none of that name. */
  async enter(room: string, name: string): Promise<IssuedToken> {
    const created: z.input<typeof CreateRoom> = { name: RoomName.parse(room) };
    await this.#post('/v1/rooms' satisfies (typeof restRoutes)['createRoom']['path'], created, this.apiKey).catch(
      (error: unknown) => {
        // It is there already, with settings of its own.
        if (FlotillaError.from(error).code !== 'ROOM_EXISTS') throw error;
      },
    );
    const wanted: z.input<typeof IssueToken> = { name };
    return IssuedToken.parse(await this.#post(`/v1/rooms/${room}/tokens`, wanted, this.apiKey));
  }

  /** A token to watch the fleet with, for whoever has that key: the console's own is for its guests' calls only. */
  async watch(key: string | undefined): Promise<IssuedToken> {
    const wanted: z.input<typeof IssueFleetToken> = { grants: ['admin'], userId: 'console' };
    const path: (typeof restRoutes)['issueFleetToken']['path'] = '/v1/tokens';
    return IssuedToken.parse(await this.#post(path, wanted, key));
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
      throw new FlotillaError('UNAVAILABLE', 'the room registry is out of reach', { cause: error });
    }
    const reply: unknown = await response.json();
    if (response.ok) return reply;
    const { error } = RestError.parse(reply);
    throw new FlotillaError(error.code, error.message);
  }
}
