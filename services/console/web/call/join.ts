import { connect, type Room } from '@flotilla/client';
import { requestEntry, requestFirstEntry, tokenOf } from './entry.ts';

/** Input of the lobby. Without a `token` the page requests one from the console. */
export interface JoinRequest {
  readonly room: string;
  readonly name: string;
  readonly token?: string | undefined;
}

/**
 * Requests a token and joins. The SDK gets a token source, so that it can reconnect after a session has expired.
 * @param signal aborts the join
 */
export async function joinRoom(request: JoinRequest, signal: AbortSignal): Promise<Room> {
  const entry = await requestFirstEntry(request, signal);
  const { room, name } = request;
  let unused: string | undefined = request.token ?? tokenOf(entry);
  const nextToken = async (): Promise<string> => {
    const token = unused;
    unused = undefined;
    return token ?? tokenOf(await requestEntry(request));
  };
  return connect(entry.url ?? location.origin, { token: request.token ?? nextToken, room, name, signal });
}
