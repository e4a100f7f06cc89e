import { connect, FlotillaError, type Room } from '@flotilla/client';
import { ErrorBody } from '@flotilla/contracts';

/** Who wants in where. `token` is one the person brought; without it the console is asked for one. */
export interface Wish {
  readonly room: string;
  readonly name: string;
  readonly token?: string | undefined;
}

/** What the console answers. A console that is not open refuses the token but still says where signaling is. */
interface Entry {
  readonly token?: string;
  readonly url?: string;
  readonly error?: unknown;
}

const entryTimeoutMs = 10_000;

async function askEntry({ room, name }: Wish): Promise<Entry> {
  let response: Response;
  try {
    response = await fetch('console/entry', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ room, name }),
      signal: AbortSignal.timeout(entryTimeoutMs),
    });
  } catch (error) {
    throw new FlotillaError('UNAVAILABLE', 'The server is out of reach.', { cause: error });
  }
  try {
    return (await response.json()) as Entry;
  } catch (error) {
    // A proxy answered in its place.
    throw new FlotillaError('UNAVAILABLE', `The server is not ready (HTTP ${response.status}).`, { cause: error });
  }
}

function tokenOf({ token, error }: Entry): string {
  if (token !== undefined) return token;
  const body = ErrorBody.safeParse(error);
  throw body.success
    ? new FlotillaError(body.data.code, body.data.message)
    : new FlotillaError('INTERNAL', 'The server’s answer can’t be read.');
}

/** Gets what it takes and joins. Given a way to get more tokens, the SDK comes back by itself even after a long outage. */
export async function enterRoom(wish: Wish): Promise<Room> {
  const entry = await askEntry(wish);
  let unused: string | undefined = wish.token ?? tokenOf(entry);
  const anotherToken = async (): Promise<string> => {
    const token = unused;
    unused = undefined;
    return token ?? tokenOf(await askEntry(wish));
  };
  return connect(entry.url ?? location.origin, { token: wish.token ?? anotherToken, room: wish.room, name: wish.name });
}
