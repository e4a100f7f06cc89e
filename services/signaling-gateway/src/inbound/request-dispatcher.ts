import {
  type Address,
  addressee,
  firstIssue,
  FlotillaError,
  maxNesting,
  Request,
  type RequestType,
  RoomRef,
  signalRequests,
} from '@flotilla/contracts';
import { counter, inSpan, type Logger, TokenBucket } from '@flotilla/runtime';
import { roomIdOf } from '@flotilla/store';
import type { z } from 'zod';
import { nestsDeeperThan } from '../limits/nesting.ts';
import type { Overload } from '../limits/overload.ts';
import type { Session } from '../sessions/session.ts';
import { countRejection } from './handshake.ts';

const messages = counter({
  name: 'signaling_messages_total',
  help: 'Requests by type and outcome: ok, or the error code.',
  labelNames: ['type', 'outcome'],
});

/** Requests of one session that may be under way at a time. */
const maxUnderWay = 64;

/** How often a session may be refused for sending too fast: so often at once, and as often a second as it may send. Beyond it is closed. */
const refusalsAtOnce = 500;

/** A request a handler gets: parsed, and for one about a room, its id, else empty. */
export interface Received<T extends RequestType> {
  readonly session: Session;
  readonly payload: z.output<(typeof signalRequests)[T]['payload']>;
  readonly roomId: string;
  readonly to: Address | undefined;
}

/** What sessions may send, and what happens to them otherwise. */
export interface RequestLimits {
  readonly messagesPerSecond: number;
  readonly messagesAtOnce: number;
  readonly overload: Overload;
  /** It goes on though it is refused. */
  readonly onFlood: (session: Session) => void;
  /** A request could be read. */
  readonly onRequest: (session: Session) => void;
}

/** A reply and what to do once it is on its way, such as sending what must come after it. */
export class ReplyThen<T> {
  constructor(
    readonly payload: T,
    readonly afterwards: () => void,
  ) {}
}

export type Handler = (received: Received<RequestType>) => unknown;

/** Reads one session's messages, hands them to their handlers, and answers each exactly once. */
export class RequestDispatcher {
  #underWay = 0;
  readonly #bucket: TokenBucket;
  readonly #refusals: TokenBucket;

  constructor(
    private readonly session: Session,
    private readonly handlers: ReadonlyMap<string, Handler>,
    private readonly limits: RequestLimits,
    private readonly log: Logger,
  ) {
    this.#bucket = new TokenBucket(limits.messagesPerSecond, limits.messagesAtOnce);
    this.#refusals = new TokenBucket(limits.messagesPerSecond, refusalsAtOnce);
  }

  receive(text: string | undefined): void {
    if (!this.#bucket.take()) return this.#refuse(text);
    // Others of the address may be to blame: this one is not closed for it.
    if (this.session.messagesOfAddress?.take() === false)
      return this.#tooFast(text, 'too many messages a second from this address');
    let request: Request;
    try {
      request = parseRequest(text);
    } catch (error) {
      return this.#fail(idOf(text), 'unreadable', error);
    }
    this.limits.onRequest(this.session);
    if (this.limits.overload.level >= shedAt(request))
      return this.#fail(request.id, request.type, new FlotillaError('OVERLOADED'));
    if (this.#underWay >= maxUnderWay)
      return this.#fail(
        request.id,
        request.type,
        new FlotillaError('RATE_LIMITED', `${maxUnderWay} requests await their answer`),
      );
    this.#underWay++;
    void this.#handle(request).finally(() => this.#underWay--);
  }

  /** Above the rate. To answer costs less than to do, but who never stops is not answered for ever. */
  #refuse(text: string | undefined): void {
    if (!this.#refusals.take()) return this.limits.onFlood(this.session);
    this.#tooFast(text, `more than ${this.limits.messagesPerSecond} messages a second`);
  }

  #tooFast(text: string | undefined, why: string): void {
    this.#fail(idOf(text), 'unreadable', new FlotillaError('RATE_LIMITED', why));
  }

  async #handle(request: Request): Promise<void> {
    const { id, type } = request;
    try {
      const received = { session: this.session, ...readPayload(request) };
      const handler = this.handlers.get(type)!;
      const result = await inSpan(
        `signal ${type}`,
        { kind: 'server', attributes: { 'flotilla.session': this.session.id } },
        async () => handler(received),
      );
      const payload = (result instanceof ReplyThen ? result.payload : result) as Record<string, unknown>;
      this.session.reply({ replyTo: id, ok: true, payload });
      messages.inc({ type, outcome: 'ok' });
      if (result instanceof ReplyThen) result.afterwards();
    } catch (error) {
      this.#fail(id, type, error);
    }
  }

  #fail(id: string | null, type: string, error: unknown): void {
    const failure = FlotillaError.from(error);
    if (failure.code === 'INTERNAL')
      this.log.error({ err: failure.cause, sessionId: this.session.id, type }, 'request failed');
    messages.inc({ type: Object.hasOwn(signalRequests, type) ? type : 'unknown', outcome: failure.code });
    if (rejections.has(failure.code)) countRejection('request', failure.code);
    this.session.reply({ replyTo: id, ok: false, error: failure.body });
  }
}

/** Refusals that are about who asks or how much, rather than about what is asked. */
const rejections: ReadonlySet<string> = new Set(['FORBIDDEN', 'RATE_LIMITED', 'OVERLOADED', 'TOO_MANY_ROOMS']);

/** The overload level at which a request is refused. Calls in progress go on at any. */
function shedAt({ type, to }: Request): number {
  if (type === 'join' || type === 'watch_topology') return 1;
  return type === 'message' && !to?.startsWith('room:') ? 2 : Infinity;
}

function parseRequest(text: string | undefined): Request {
  if (text === undefined) throw new FlotillaError('BAD_MESSAGE', 'send text frames');
  if (nestsDeeperThan(text, maxNesting))
    throw new FlotillaError('BAD_MESSAGE', `nested deeper than ${maxNesting} levels`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new FlotillaError('BAD_MESSAGE', 'not JSON');
  }
  const request = Request.safeParse(json);
  if (!request.success) throw new FlotillaError('BAD_MESSAGE', firstIssue(request.error));
  return request.data;
}

/** The id of a message that is JSON at least, so that its sender can match the refusal. */
function idOf(text: string | undefined): string | null {
  if (text === undefined || nestsDeeperThan(text, maxNesting)) return null;
  try {
    const { id } = JSON.parse(text) as { id?: unknown };
    return typeof id === 'string' ? id.slice(0, 64) : null;
  } catch {
    return null;
  }
}

function readPayload({ type, to, payload }: Request): Omit<Received<RequestType>, 'session'> {
  if (!Object.hasOwn(signalRequests, type)) throw new FlotillaError('UNKNOWN_TYPE', `there is no request "${type}"`);
  const spec = signalRequests[type as RequestType];
  const parsed = spec.payload.safeParse(payload);
  if (!parsed.success) throw new FlotillaError('BAD_PAYLOAD', firstIssue(parsed.error));
  const room = addressee('room', to);
  if (spec.to === 'room' && room === undefined)
    throw new FlotillaError('BAD_MESSAGE', 'say which room: `to: "room:<id or name>"`');
  if (spec.to === 'any' && to === undefined)
    throw new FlotillaError('BAD_MESSAGE', 'say to whom: `to: "room:<id or name>"`, `"user:<id>"` or `"*"`');
  return { payload: parsed.data, roomId: room === undefined ? '' : roomIdOf(RoomRef.parse(room)), to };
}
