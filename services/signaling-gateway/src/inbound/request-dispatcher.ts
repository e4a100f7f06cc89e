import {
  FlotillaError,
  maxRequestsInFlight,
  type Request,
  type RequestType,
  signalRequests,
} from '@flotilla/contracts';
import { counter, histogram, inSpan, type Logger, type SpanOptions, TokenBucket } from '@flotilla/runtime';
import { roomIdOf } from '@flotilla/store';
import { costOf, frameCost, requestCosts } from '../limits/request-costs.ts';
import type { Overload } from '../limits/overload.ts';
import { countRejection } from '../limits/rejections.ts';
import { type Received, ReplyThen, type RequestHandler, type RequestHandlers } from '../requests/request-handler.ts';
import type { Session } from '../sessions/session.ts';
import { idOf, parseRequest, readPayload } from './parse-request.ts';

const messages = counter({
  name: 'signaling_messages_total',
  help: 'Requests by type and outcome: ok, or the error code.',
  labelNames: ['type', 'outcome'],
});
const joinSeconds = histogram({
  name: 'signaling_join_duration_seconds',
  help: 'From the receipt of a join to its successful answer, which has the parameters of the transports.',
  buckets: [0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5],
});

/** Burst of RATE_LIMITED refusals; their rate is that of allowed messages. Above it the connection is closed. */
const refusalBurst = 500;

const tooCostly = 'requests cost more than a session may spend a second; see docs/limits.md';
const tooManyFromAddress = 'too many messages a second from this address, by their cost';
/**
 * What the costliest type of request takes beyond its frame: an address that has less, or less than a tenth of its burst, is refused
 * before its frames are read: most of these could not be paid.
 */
const largestOwnCost = Math.max(...Object.values(requestCosts)) - 1;

/** Limits of what a session may send, and notifications of the dispatcher. */
export interface RequestLimits {
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  /** Maximum size of a `message` with its envelope, bytes. */
  readonly messageBytes: number;
  readonly overload: Overload;
  /** The client keeps sending after refusals. */
  readonly onFlood: (session: Session) => void;
  /** A well-formed request was received. */
  readonly onRequest: (session: Session) => void;
}

/** The handlers of all requests: the table, and its `handle` functions as Nest bound them. */
export interface BoundHandlers {
  readonly table: RequestHandlers;
  readonly callbacks: ReadonlyMap<string, (received: Received<RequestType>) => unknown>;
}

/** Parses the messages of one session, passes them to their handlers, and answers each exactly once. */
export class RequestDispatcher {
  readonly #bucket: TokenBucket;
  readonly #refusals: TokenBucket;

  constructor(
    private readonly session: Session,
    private readonly handlers: BoundHandlers,
    private readonly limits: RequestLimits,
    private readonly log: Logger,
  ) {
    this.#bucket = new TokenBucket(limits.messagesPerSecond, limits.messageBurst);
    this.#refusals = new TokenBucket(limits.messagesPerSecond, refusalBurst);
  }

  receive(frame: Buffer, isBinary = false): void {
    const bytes = frame.length;
    const paid = frameCost(bytes);
    const { messagesOfAddress } = this.session;
    // Paid before it is read: reading is most of the work of a large one.
    if (!has(this.#bucket, paid))
      return this.#refuse(frame, `more than ${this.limits.messagesPerSecond} messages a second, by their cost`);
    const ofAddress = Math.max(paid, Math.min(paid + largestOwnCost, (messagesOfAddress?.burst ?? 0) / 10));
    if (!has(messagesOfAddress, ofAddress)) return this.#refuse(frame, tooManyFromAddress);
    take(this.#bucket, paid);
    take(messagesOfAddress, paid);
    let request: Request;
    try {
      request = parseRequest(isBinary ? undefined : frame.toString());
    } catch (error) {
      return this.#fail(isBinary ? null : idOf(frame), 'unreadable', error);
    }
    this.limits.onRequest(this.session);
    if (request.type === 'message' && bytes > this.limits.messageBytes) {
      const message = `the message has ${bytes} bytes; at most ${this.limits.messageBytes} are accepted`;
      return this.#fail(request.id, request.type, new FlotillaError('MESSAGE_TOO_BIG', message));
    }
    const rooms = this.session.awaitsResume ? this.session.resumption!.rooms.length : 0;
    const problem = this.#payRest(costOf(request.type, request.payload, bytes, rooms), paid);
    if (problem !== undefined) return this.#fail(request.id, request.type, new FlotillaError('RATE_LIMITED', problem));
    if (this.limits.overload.level >= shedAt(request))
      return this.#fail(request.id, request.type, new FlotillaError('OVERLOADED'));
    if (this.session.requests.size >= maxRequestsInFlight)
      return this.#fail(
        request.id,
        request.type,
        new FlotillaError('RATE_LIMITED', `${maxRequestsInFlight} requests await their answer`),
      );
    this.#enqueue(request);
  }

  /**
   * Takes what a request costs beyond its frame. Returns why it is refused. An address that has too little gets the price of the frame
   * back: the requests that its sessions repeat would use up what all of them need.
   */
  #payRest(cost: number, paid: number): string | undefined {
    const { messagesOfAddress } = this.session;
    if (!has(this.#bucket, cost, paid)) return tooCostly;
    if (!take(messagesOfAddress, cost, paid)) {
      giveBack(messagesOfAddress, paid);
      return tooManyFromAddress;
    }
    take(this.#bucket, cost, paid);
    return undefined;
  }

  /** Refuses a frame that was not read. One that is larger than a message may be counts as several. */
  #refuse(frame: Buffer, message: string): void {
    const refusals = Math.max(1, frame.length / this.limits.messageBytes);
    this.#fail(idOf(frame), 'unreadable', new FlotillaError('RATE_LIMITED', message), refusals);
  }

  #enqueue(request: Request): void {
    const receivedAt = performance.now();
    try {
      const received = { session: this.session, ...readPayload(request, this.session.tenant) };
      const handler = this.handlers.table[request.type as RequestType] as RequestHandler<RequestType>;
      void this.session.requests.run(handler.orderKey?.(received), () => this.#handle(request, received, receivedAt));
    } catch (error) {
      this.#fail(request.id, request.type, error);
    }
  }

  async #handle({ id, type }: Request, received: Received<RequestType>, receivedAt: number): Promise<void> {
    // It may have closed while the request waited for its turn, and messages arrive until the close frame is answered.
    if (!this.session.isOpen) return;
    try {
      this.session.requireGrantsFor(type as RequestType, received.to);
      const handle = this.handlers.callbacks.get(type)!;
      const result = await inSpan(`signal ${type}`, this.#spanOf(received), async () => {
        const handled = await handle(received);
        if (type === 'join') joinSeconds.observe((performance.now() - receivedAt) / 1000);
        return handled;
      });
      const payload = (result instanceof ReplyThen ? result.payload : result) as Record<string, unknown>;
      this.session.reply({ replyTo: id, ok: true, payload });
      messages.inc({ type, outcome: 'ok' });
      if (result instanceof ReplyThen) result.afterwards();
    } catch (error) {
      this.#fail(id, type, error);
    }
  }

  /** A request about a migration continues the trace in which the migration began. */
  #spanOf({ roomId, payload }: Received<RequestType>): SpanOptions {
    const { session } = this;
    const { tenant } = session;
    const { room, migrationId } = payload as { readonly room?: string; readonly migrationId?: string };
    const migration = migrationId === undefined ? undefined : session.rooms.get(roomId)?.migration;
    const joined = room === undefined ? undefined : roomIdOf(room, tenant);
    return {
      kind: 'server',
      attributes: { 'flotilla.session': session.id },
      subject: { room: roomId === '' ? joined : roomId, tenant },
      ...(migration?.id === migrationId && { carrier: migration?.trace }),
    };
  }

  #fail(id: string | null, type: string, error: unknown, refusals = 1): void {
    const failure = FlotillaError.from(error);
    if (failure.code === 'INTERNAL')
      this.log.error({ err: failure.cause, sessionId: this.session.id, type }, 'request failed');
    messages.inc({ type: Object.hasOwn(signalRequests, type) ? type : 'unknown', outcome: failure.code });
    if (rejections.has(failure.code)) countRejection('request', failure.code);
    // Refusing costs less than handling, but a client that never stops is not answered forever.
    if (failure.code === 'RATE_LIMITED' && !take(this.#refusals, refusals)) return this.limits.onFlood(this.session);
    this.session.reply({ replyTo: id, ok: false, error: failure.body });
  }
}

/** What is left to pay of a cost of which `paid` was taken before. A cost above the burst of a limit is paid by its full bucket. */
const rest = ({ burst }: TokenBucket, cost: number, paid: number): number =>
  Math.min(cost, burst) - Math.min(paid, burst);
const has = (bucket: TokenBucket | undefined, cost: number, paid = 0): boolean =>
  bucket?.has(undefined, rest(bucket, cost, paid)) ?? true;
const take = (bucket: TokenBucket | undefined, cost: number, paid = 0): boolean =>
  bucket?.take(undefined, rest(bucket, cost, paid)) ?? true;
const giveBack = (bucket: TokenBucket | undefined, cost: number): void =>
  bucket?.give(undefined, rest(bucket, cost, 0));

/** Errors that `signaling_rejected_total` counts: a permission is missing or a limit is reached. */
const rejections: ReadonlySet<string> = new Set(['FORBIDDEN', 'RATE_LIMITED', 'OVERLOADED', 'TOO_MANY_ROOMS']);

/** The overload level from which on a request is refused. Requests of calls in progress are always served. */
function shedAt({ type, to }: Request): number {
  if (type === 'join' || type === 'watch_topology') return 1;
  return type === 'message' && !to?.startsWith('room:') ? 2 : Infinity;
}
