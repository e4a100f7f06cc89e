import {
  CreateRoom,
  FlotillaError,
  IssuedToken,
  IssueToken,
  RestError,
  RoomName,
  type restRoutes,
} from '@flotilla/contracts';
import type { z } from 'zod';

const timeoutMs = 5000;

/** The registry's REST API, as far as an open console needs it. */
export class RegistryClient {
  constructor(
    /** Where it is; asked at each call, for one that is known only later. */
    private readonly url: () => string,
    private readonly apiKey: string | undefined,
  ) {}

  /** A token for a room, which is created when there is none of that name. */
  async enter(room: string, name: string): Promise<IssuedToken> {
    const created: z.input<typeof CreateRoom> = { name: RoomName.parse(room) };
    await this.#post('/v1/rooms' satisfies (typeof restRoutes)['createRoom']['path'], created).catch(
      (error: unknown) => {
        // It is there already, with settings of its own.
        if (FlotillaError.from(error).code !== 'ROOM_EXISTS') throw error;
      },
    );
    const wanted: z.input<typeof IssueToken> = { name };
    return IssuedToken.parse(await this.#post(`/v1/rooms/${room}/tokens`, wanted));
  }

  async #post(path: string, body: object): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch(new URL(path, this.url()), {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(this.apiKey !== undefined && { authorization: `Bearer ${this.apiKey}` }),
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
