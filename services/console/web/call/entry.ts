import { ErrorBody, FlotillaError } from '@flotilla/contracts';

/** Reply of `console/entry`. A console that issues no tokens answers with an error and the URL of signaling. */
interface Entry {
  readonly token?: string;
  readonly url?: string;
  readonly error?: unknown;
}

interface EntryRequest {
  readonly room: string;
  readonly name: string;
}

const entryTimeoutMs = 10_000;
/** How long a first entry is repeated that is above the rate of its address, such as that of an office behind NAT. */
const repeatWithinMs = 60_000;
/** Pause before that without a `Retry-After`, ms. */
const defaultPauseMs = 2000;

async function send({ room, name }: EntryRequest, signal?: AbortSignal): Promise<Response> {
  try {
    return await fetch('console/entry', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ room, name }),
      signal: AbortSignal.any([AbortSignal.timeout(entryTimeoutMs), ...(signal ? [signal] : [])]),
    });
  } catch (error) {
    throw new FlotillaError('UNAVAILABLE', 'The server cannot be reached.', { cause: error });
  }
}

async function read(response: Response): Promise<Entry> {
  try {
    return (await response.json()) as Entry;
  } catch (error) {
    // The reply is not JSON: a proxy answered in place of the console.
    throw new FlotillaError('UNAVAILABLE', `The server is not ready (HTTP ${response.status}).`, { cause: error });
  }
}

/** Throws UNAVAILABLE when the console cannot be reached. */
export const requestEntry = async (request: EntryRequest): Promise<Entry> => read(await send(request));

/** `requestEntry` that waits and tries again, for a minute at most, while the address is above its rate. `signal` ends the wait. */
export async function requestFirstEntry(request: EntryRequest, signal: AbortSignal): Promise<Entry> {
  const deadline = performance.now() + repeatWithinMs;
  for (;;) {
    const response = await send(request, signal);
    const pauseMs = pauseBefore(response);
    if (response.status !== 429 || performance.now() + pauseMs > deadline) return read(response);
    await pause(pauseMs, signal);
  }
}

function pauseBefore({ headers }: Response): number {
  const seconds = Number(headers.get('retry-after') ?? NaN);
  return seconds >= 0 ? seconds * 1000 : defaultPauseMs;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}

/** Throws the error of an entry without a token. */
export function tokenOf({ token, error }: Entry): string {
  if (token !== undefined) return token;
  const body = ErrorBody.safeParse(error);
  throw body.success
    ? new FlotillaError(body.data.code, body.data.message)
    : new FlotillaError('INTERNAL', 'The server sent an unreadable reply.');
}
