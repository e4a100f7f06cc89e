import { connect, FlotillaError, type Room } from '@flotilla/client';
import { ErrorBody } from '@flotilla/contracts';

/** Input of the lobby. Without a `token` the page requests one from the console. */
export interface JoinRequest {
  readonly room: string;
  readonly name: string;
  readonly token?: string | undefined;
}

/** Reply of `console/entry`. A console that issues no tokens answers with an error and the URL of signaling. */
interface Entry {
  readonly token?: string;
  readonly url?: string;
  readonly error?: unknown;
}

const entryTimeoutMs = 10_000;

async function requestEntry({ room, name }: JoinRequest, signal?: AbortSignal): Promise<Entry> {
  let response: Response;
  try {
    response = await fetch('console/entry', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ room, name }),
      signal: AbortSignal.any([AbortSignal.timeout(entryTimeoutMs), ...(signal ? [signal] : [])]),
    });
  } catch (error) {
    throw new FlotillaError('UNAVAILABLE', 'The server cannot be reached.', { cause: error });
  }
  try {
    return (await response.json()) as Entry;
  } catch (error) {
    // The reply is not JSON: a proxy answered in place of the console.
    throw new FlotillaError('UNAVAILABLE', `The server is not ready (HTTP ${response.status}).`, { cause: error });
  }
}

function tokenOf({ token, error }: Entry): string {
  if (token !== undefined) return token;
  const body = ErrorBody.safeParse(error);
  throw body.success
    ? new FlotillaError(body.data.code, body.data.message)
    : new FlotillaError('INTERNAL', 'The server sent an unreadable reply.');
}

/**
 * Requests a token and joins. The SDK gets a token source, so that it can reconnect after a session has expired.
 * @param signal aborts the join
 */
export async function joinRoom(request: JoinRequest, signal: AbortSignal): Promise<Room> {
  const entry = await requestEntry(request, signal);
  const { room, name } = request;
  let unused: string | undefined = request.token ?? tokenOf(entry);
  const nextToken = async (): Promise<string> => {
    const token = unused;
    unused = undefined;
    return token ?? tokenOf(await requestEntry(request));
  };
  return connect(entry.url ?? location.origin, { token: request.token ?? nextToken, room, name, signal });
}
