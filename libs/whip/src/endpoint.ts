import type { IncomingMessage, ServerResponse } from 'node:http';
import { RoomRef, type IceServer } from '@flotilla/contracts';
import { AddressRates, bearerTokenOf, type Logger, prefixOf } from '@flotilla/runtime';
import { readDescription } from './description.ts';
import { openEgress } from './egress.ts';
import { openIngest } from './ingest.ts';
import { defaultLimits, type WhipLimits } from './limits.ts';
import { Problem } from './problem.ts';
import { readBody } from './request-body.ts';
import type { Resource } from './resource.ts';
import { Resources } from './resources.ts';

export interface WhipOptions {
  /** URL of a signaling gateway; a function is called for each resource. */
  readonly signalUrl: string | (() => string);
  readonly log: Logger;
  /** Limits other than the defaults. */
  readonly limits?: Partial<WhipLimits>;
  /** The address of a client in canonical form, for the limits. Of IPv6, they count networks of 64 bits. */
  readonly addressOf: (request: IncomingMessage) => string;
  /**
   * Exchanges the bearer token of a new resource for join tokens. It throws a FlotillaError for what it does not accept. Undefined as a
   * result, and the default: the bearer token is the join token, and the resource ends with it.
   */
  readonly joinTokens?: (bearer: string, request: TokenRequest) => JoinTokens | undefined;
  /**
   * Called with the bearer token of each request that is to change something. The result is called once, at the end of the request, also
   * when it was refused.
   */
  readonly audit?: (bearer: string) => ((write: WhipWrite) => void) | undefined;
}

/** The join tokens that a bearer token is exchanged for. */
export interface JoinTokens {
  /** Returns a join token: the first one, and again before one expires. */
  readonly next: () => Promise<string>;
  /** Whether the bearer token would be accepted now. Without, the resource ends at the next `endRevoked`. */
  readonly isAccepted: () => boolean;
}

/** A request that changes something. */
export interface WhipWrite extends TokenRequest {
  readonly method: 'POST' | 'PATCH' | 'DELETE';
  /** Of the resource, if there is one that the bearer token is for. */
  readonly participantId: string | undefined;
  /** `ok`, the code of the error, or its HTTP status where it has no code. */
  readonly outcome: string;
}

/** What join tokens are for. */
export interface TokenRequest {
  readonly kind: 'whip' | 'whep';
  readonly room: string;
}

const sdp = 'application/sdp';
const iceFragment = 'application/trickle-ice-sdpfrag';
const endpointMethods = 'GET, HEAD, OPTIONS, POST';
const resourceMethods = 'DELETE, GET, HEAD, OPTIONS, PATCH';
/** How long browsers may keep the answer to a preflight request, in seconds. */
const preflightSeconds = '600';

/** `/whip/{room}` and `/whep/{room}`; their resources are below `/whip/{room}/` and `/whep/{room}/`. */
const paths = /^\/(whip|whep)\/([^/]+)(?:\/([\w-]{1,64}))?\/?$/;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly kind: 'whip' | 'whep';
  readonly room: string;
  /** Of a resource, undefined for the endpoint. */
  readonly id: string | undefined;
  /** Of the resource, once it is known. */
  participantId?: string;
}

/** The WHIP (RFC 9725) and WHEP endpoint of a fleet. */
export class WhipEndpoint {
  readonly #resources: Resources;
  readonly #rates: AddressRates;
  readonly #limits: WhipLimits;

  constructor(private readonly options: WhipOptions) {
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#resources = new Resources(this.#limits, options.log);
    this.#rates = new AddressRates(this.#limits.requestsPerSecondPerAddress);
  }

  /** Number of resources. */
  get size(): number {
    return this.#resources.size;
  }

  /** Answers a request to a path of WHIP or WHEP. Returns false, and does nothing, for other paths. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const target = request.url ?? '';
    if (!target.startsWith('/whip/') && !target.startsWith('/whep/')) return false;
    void this.#answer(request, response);
    return true;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let exchange: Exchange | undefined;
    let outcome = 'ok';
    const audit = this.#auditOf(request);
    try {
      allowAllOrigins(response);
      exchange = exchangeOf(request, response);
      if (!this.#rates.take(this.options.addressOf(request)))
        throw new Problem(429, 'too many requests of this address', { 'retry-after': '1' }, 'RATE_LIMITED');
      await (exchange.id === undefined ? this.#atEndpoint(exchange) : this.#atResource(exchange, exchange.id));
    } catch (error) {
      outcome = this.#refuse(response, error);
    }
    if (exchange) audit?.(exchange, outcome);
  }

  #auditOf({ method, headers }: IncomingMessage): ((exchange: Exchange, outcome: string) => void) | undefined {
    const bearer = bearerTokenOf(headers.authorization);
    if (bearer === undefined || (method !== 'POST' && method !== 'PATCH' && method !== 'DELETE')) return undefined;
    const report = this.options.audit?.(bearer);
    return (
      report && (({ kind, room, participantId }, outcome) => report({ method, kind, room, participantId, outcome }))
    );
  }

  #addressOf(request: IncomingMessage): string {
    return prefixOf(this.options.addressOf(request));
  }

  async #atEndpoint(exchange: Exchange): Promise<void> {
    const { request, response, kind } = exchange;
    switch (request.method) {
      case 'POST':
        return this.#create(exchange);
      case 'OPTIONS':
        return preflight(response, endpointMethods, { 'accept-post': sdp });
      case 'GET':
      case 'HEAD':
        // RFC 9725, section 4.2: no content. WHEP: HEAD discovers the endpoint by its media type.
        if (kind === 'whep' && request.method === 'HEAD') response.writeHead(200, { 'content-type': sdp }).end();
        else response.writeHead(204).end();
        return;
      default:
        throw notAllowed(endpointMethods);
    }
  }

  async #create(exchange: Exchange): Promise<void> {
    const { request, response, url, kind, room } = exchange;
    const token = requireToken(request);
    const { text } = await readBody(request, [sdp], this.#limits.bodyWithinMs);
    const offer = readDescription(text);
    const { signalUrl, joinTokens } = this.options;
    const disconnected = new AbortController();
    const onClose = (): void => disconnected.abort();
    response.once('close', onClose);
    let tokens: JoinTokens | undefined;
    const resource = await this.#resources.create({
      kind,
      address: this.#addressOf(request),
      token,
      iceUfrag: offer.iceUfrag,
      disconnected: disconnected.signal,
      isAccepted: () => tokens?.isAccepted() ?? true,
      open: (signal) => {
        tokens = joinTokens?.(token, { kind, room });
        const options = {
          signalUrl: typeof signalUrl === 'function' ? signalUrl() : signalUrl,
          token: tokens?.next ?? token,
          room,
          signal,
        };
        if (kind === 'whip') return openIngest(offer, options);
        const participant = url.searchParams.get('participant') ?? undefined;
        const answerInAnyCase = url.searchParams.get('answer') === '201';
        return openEgress(offer, { participant, answerInAnyCase }, options);
      },
    });
    exchange.participantId = resource.participantId;
    response.off('close', onClose);
    // The client does not learn of the resource.
    response.once('close', () => {
      if (!response.writableFinished) resource.end('closed');
    });
    const links = resource.iceServers.flatMap(linksOf);
    response
      .writeHead(resource.isCounterOffer ? 406 : 201, {
        'content-type': sdp,
        location: `${url.pathname.replace(/\/$/, '')}/${resource.id}`,
        etag: resource.etag,
        'accept-patch': resource.isCounterOffer ? `${sdp}, ${iceFragment}` : iceFragment,
        ...(links.length > 0 && { link: links }),
      })
      .end(resource.description);
  }

  async #atResource(exchange: Exchange, id: string): Promise<void> {
    const { request, response } = exchange;
    const { method } = request;
    if (method === 'OPTIONS') return preflight(response, resourceMethods, { 'accept-patch': `${sdp}, ${iceFragment}` });
    if (!resourceMethods.split(', ').includes(method ?? '')) throw notAllowed(resourceMethods);
    const token = requireToken(request);
    const resource = this.#resources.find(id);
    if (!resource)
      throw new Problem(404, 'no such resource: it has ended, or its counter-offer was not answered in time');
    if (!resource.isAuthorized(token))
      throw new Problem(403, 'the resource was created with another token', {}, 'FORBIDDEN');
    exchange.participantId = resource.participantId;
    switch (method) {
      case 'DELETE':
        resource.end('deleted');
        response.writeHead(200).end();
        return;
      case 'PATCH':
        return this.#patch(request, response, resource);
      default:
        response.writeHead(204).end();
    }
  }

  async #patch(request: IncomingMessage, response: ServerResponse, resource: Resource): Promise<void> {
    const { mediaType, text } = await readBody(request, [iceFragment, sdp], this.#limits.bodyWithinMs);
    if (mediaType === sdp) {
      await resource.answer(text);
      response.writeHead(204).end();
      return;
    }
    const fragment = await resource.patchIce(request.headers['if-match'], text);
    if (fragment === undefined) response.writeHead(204).end();
    else response.writeHead(200, { 'content-type': iceFragment, etag: resource.etag }).end(fragment);
  }

  /** Answers with the problem. Returns the outcome for `WhipOptions.audit`. */
  #refuse(response: ServerResponse, error: unknown): string {
    const problem = Problem.from(error);
    if (problem.status >= 500) this.options.log.warn({ err: error }, 'WHIP request failed');
    if (response.headersSent || response.destroyed) response.destroy();
    else
      response
        .writeHead(problem.status, { 'content-type': 'application/problem+json', ...problem.headers })
        .end(problem.body);
    return problem.code ?? `HTTP ${problem.status}`;
  }

  /** Ends the resources whose bearer token is not accepted any more, see `JoinTokens`. */
  endRevoked(): void {
    this.#resources.endRevoked();
  }

  /** Ends all resources, so that their clients connect to another endpoint. */
  close(): void {
    this.#resources.close();
  }
}

/** Throws Problem 404 for a path that is none of WHIP or WHEP. */
function exchangeOf(request: IncomingMessage, response: ServerResponse): Exchange {
  const url = URL.parse(request.url!, 'http://endpoint.invalid');
  const [, kind, room = '', id] = paths.exec(url?.pathname ?? '') ?? [];
  const parsedRoom = RoomRef.safeParse(decoded(room));
  if (!url || !parsedRoom.success) throw new Problem(404, 'no such path: /whip/{room} or /whep/{room}');
  return { request, response, url, kind: kind as 'whip' | 'whep', room: parsedRoom.data, id };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Any page may call the endpoint: what it may do depends on the token, not on cookies. */
function allowAllOrigins(response: ServerResponse): void {
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader(
    'access-control-expose-headers',
    'Accept-Patch, Accept-Post, ETag, Link, Location, Retry-After, WWW-Authenticate',
  );
}

function preflight(response: ServerResponse, methods: string, headers: Record<string, string>): void {
  response
    .writeHead(200, {
      ...headers,
      allow: methods,
      'access-control-allow-methods': methods,
      'access-control-allow-headers': 'Authorization, Content-Type, If-Match',
      'access-control-max-age': preflightSeconds,
      'content-length': '0',
    })
    .end();
}

const notAllowed = (methods: string): Problem => new Problem(405, `the methods are ${methods}`, { allow: methods });

function requireToken(request: IncomingMessage): string {
  const token = bearerTokenOf(request.headers.authorization);
  if (token === undefined)
    throw new Problem(401, 'Authorization: Bearer with a join token is missing', { 'www-authenticate': 'Bearer' });
  return token;
}

/** RFC 9725, section 4.6. */
const linksOf = ({ urls, username, credential }: IceServer): string[] =>
  urls.map(
    (url) =>
      `<${url}>; rel="ice-server"; username="${username}"; credential="${credential}"; credential-type="password"`,
  );
