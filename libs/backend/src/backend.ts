import { FlotillaError, RestError, restRoutes, safeRead } from '@flotilla/contracts';
import type { z } from 'zod';

type Routes = typeof restRoutes;
type RouteName = keyof Routes;
type InputOf<R, Part extends string> =
  R extends Readonly<Record<Part, infer Schema extends z.ZodType>> ? z.input<Schema> : unknown;

/** What a request of a route takes: its path parameters, its query and its body in one object. Replies are JSON. */
export type RouteInput<Name extends RouteName> = InputOf<Routes[Name], 'params'> &
  Omit<InputOf<Routes[Name], 'query'>, 'format'> &
  InputOf<Routes[Name], 'body'>;

/** What a route answers; undefined when it has no body. */
export type RouteReply<Name extends RouteName> = Routes[Name] extends { readonly reply: infer Schema extends z.ZodType }
  ? z.output<Schema>
  : undefined;

/**
 * The REST API, a method for each of its operations. Each throws FlotillaError: with the code of the server, or UNAVAILABLE when it is not
 * reached or answers something else, DEADLINE_EXCEEDED when it does not answer in time, BAD_PAYLOAD before anything is sent. An error
 * without an answer has a cause.
 */
export type Backend = {
  readonly [Name in RouteName]: object extends RouteInput<Name>
    ? (input?: RouteInput<Name>) => Promise<RouteReply<Name>>
    : (input: RouteInput<Name>) => Promise<RouteReply<Name>>;
};

export interface BackendOptions {
  /** URL of the room registry or of a standalone, such as `https://rooms.example.com`. */
  readonly url: string | URL;
  /** A key of `FLOTILLA_API_KEYS` with the scopes of the operations that are used, or the key that `npm start` prints. */
  readonly apiKey?: string | undefined;
  /** Sends each request, for certificates or proxies that the global `fetch`, which is the default, cannot be given. */
  readonly fetch?: ((url: URL, init: RequestInit) => Promise<Response>) | undefined;
  /** How long a request may take with its repetitions, ms. Default 10,000. */
  readonly timeoutMs?: number;
  /** Whether requests are repeated that read, or that the server refused with `Retry-After`. Default true. */
  readonly repeats?: boolean;
}

/** The shortest and the longest pause before a request is repeated, ms. */
const minPauseMs = 250;
const maxPauseMs = 2000;

/** A route without its types. */
interface AnyRoute {
  readonly method: string;
  readonly path: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly reply?: z.ZodType;
}

/** The REST API of a fleet, for backends: it must not run in a browser, as its key would be in the page. Nothing is sent yet. */
export function createBackend(options: BackendOptions): Backend {
  const api = new RestRequests(options);
  return Object.fromEntries(
    Object.entries<AnyRoute>(restRoutes).map(([name, route]) => [name, (input = {}) => api.request(route, input)]),
  ) as unknown as Backend;
}

class RestRequests {
  readonly #timeoutMs: number;

  constructor(private readonly options: BackendOptions) {
    this.#timeoutMs = options.timeoutMs ?? 10_000;
  }

  /** Repeats what reads, and what the server refused before it began. */
  async request(route: AnyRoute, input: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { url, init } = this.#encode(route, input);
    const signal = AbortSignal.timeout(this.#timeoutMs);
    const { repeats = true } = this.options;
    const reads = route.method === 'get';
    for (let pauseMs = minPauseMs; ; pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      const outcome = await this.#send(route, url, { ...init, signal });
      if (!(outcome instanceof Refused)) return outcome;
      const { error, retryAfterMs } = outcome;
      if (signal.aborted || !repeats) throw error;
      if (retryAfterMs === undefined && !(reads && error.code === 'UNAVAILABLE')) throw error;
      // A pause beyond the deadline ends with it; a timer of more than 24 days would fire at once.
      const longest = Math.min(Math.max(pauseMs, retryAfterMs ?? 0), this.#timeoutMs);
      if (!(await pause(longest, signal))) throw error;
    }
  }

  #encode(route: AnyRoute, input: Readonly<Record<string, unknown>>): { url: URL; init: RequestInit } {
    const rest = { ...input };
    const take = (schema: z.ZodObject | undefined): [string, string][] =>
      Object.keys(schema?.shape ?? {}).flatMap((name) => {
        const value = rest[name];
        delete rest[name];
        const text = typeof value === 'string' ? value : JSON.stringify(value);
        return value === undefined ? [] : [[name, text] as [string, string]];
      });
    const params = new Map(take(route.params));
    const query = take(route.query);
    const unknown = Object.keys(rest)[0];
    if (!route.body && unknown !== undefined) throw new FlotillaError('BAD_PAYLOAD', `"${unknown}" is not a parameter`);
    const path = route.path.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = params.get(name);
      if (value === undefined || value === '') throw new FlotillaError('BAD_PAYLOAD', `"${name}" is missing`);
      return encodeURIComponent(value);
    });
    const url = new URL(path, this.options.url);
    for (const [name, value] of query) url.searchParams.set(name, value);
    const headers = new Headers({ accept: 'application/json' });
    if (this.options.apiKey !== undefined) headers.set('authorization', `Bearer ${this.options.apiKey}`);
    if (!route.body) return { url, init: { method: route.method.toUpperCase(), headers } };
    headers.set('content-type', 'application/json');
    return { url, init: { method: route.method.toUpperCase(), headers, body: JSON.stringify(rest) } };
  }

  async #send(route: AnyRoute, url: URL, init: RequestInit & { signal: AbortSignal }): Promise<unknown> {
    let response: Response;
    let body: unknown;
    try {
      response = await (this.options.fetch ?? fetch)(url, { ...init, redirect: 'error' });
      const text = await response.text();
      body = text === '' ? undefined : parsed(text);
    } catch (error) {
      if (init.signal.aborted)
        return new Refused(
          new FlotillaError('DEADLINE_EXCEEDED', `no answer within ${this.#timeoutMs} ms`, { cause: error }),
        );
      const message = `${url.host} cannot be reached: ${reasonOf(error)}`;
      return new Refused(new FlotillaError('UNAVAILABLE', message, { cause: error }));
    }
    if (!response.ok) return refusedBy(response, body, url);
    const reply = route.reply && safeRead(route.reply, body);
    if (reply?.success === false)
      throw new FlotillaError('UNAVAILABLE', `${url.host} does not answer as the REST API of Flotilla`);
    return reply?.data;
  }
}

/** A request that was not served. */
class Refused {
  constructor(
    readonly error: FlotillaError,
    /** When the server asks to repeat the request: it has done nothing. */
    readonly retryAfterMs?: number,
  ) {}
}

function refusedBy(response: Response, body: unknown, { host }: URL): Refused {
  const refusal = RestError.safeParse(body);
  // A proxy answered in place of the server.
  if (!refusal.success)
    return new Refused(new FlotillaError('UNAVAILABLE', `${host} answered HTTP ${response.status}`));
  const { code, message } = refusal.data.error;
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  const isRefusedFirst = (response.status === 429 || response.status === 503) && seconds >= 0;
  return new Refused(new FlotillaError(code, message), isRefusedFirst ? seconds * 1000 : undefined);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** fetch hides the reason in `cause`. */
const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message || ((cause as { code?: string }).code ?? message) : message;
};

/** Returns false when the signal is aborted before the pause is over. */
function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve(!signal.aborted);
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
