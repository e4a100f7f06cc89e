import {
  addressee,
  firstIssue,
  FlotillaError,
  Request,
  type RequestType,
  RoomRef,
  signalRequests,
} from '@flotilla/contracts';
import { counter, inSpan, type Logger } from '@flotilla/runtime';
import { roomIdOf } from '@flotilla/store';
import type { z } from 'zod';
import type { Session } from '../sessions/session.ts';

const messages = counter({
  name: 'signaling_messages_total',
  help: 'Requests by type and outcome: ok, or the error code.',
  labelNames: ['type', 'outcome'],
});

/** Requests of one session that may be under way at a time. */
const maxUnderWay = 64;

/** A request a handler gets: parsed, and for one about a room, its id. */
export interface Received<T extends RequestType> {
  readonly payload: z.output<(typeof signalRequests)[T]['payload']>;
  readonly roomId: string;
}

/** A reply and what to do once it is on its way, such as sending what must come after it. */
export class ReplyThen<T> {
  constructor(
    readonly payload: T,
    readonly afterwards: () => void,
  ) {}
}

type Handler = (received: unknown) => unknown;

/** Reads one session's messages, hands them to their handlers, and answers each exactly once. */
export class RequestDispatcher {
  #underWay = 0;

  constructor(
    private readonly session: Session,
    private readonly handlers: ReadonlyMap<string, Handler>,
    private readonly log: Logger,
  ) {}

  receive(text: string | undefined): void {
    let request: Request;
    try {
      request = parseRequest(text);
    } catch (error) {
      return this.#fail(idOf(text), 'unreadable', error);
    }
    if (this.#underWay >= maxUnderWay)
      return this.#fail(
        request.id,
        request.type,
        new FlotillaError('RATE_LIMITED', `${maxUnderWay} requests await their answer`),
      );
    this.#underWay++;
    void this.#handle(request).finally(() => this.#underWay--);
  }

  async #handle(request: Request): Promise<void> {
    const { id, type } = request;
    try {
      const received = readPayload(request);
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
    messages.inc({ type: type in signalRequests ? type : 'unknown', outcome: failure.code });
    this.session.reply({ replyTo: id, ok: false, error: failure.body });
  }
}

function parseRequest(text: string | undefined): Request {
  if (text === undefined) throw new FlotillaError('BAD_MESSAGE', 'send text frames');
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
  try {
    const { id } = JSON.parse(text ?? '') as { id?: unknown };
    return typeof id === 'string' ? id.slice(0, 64) : null;
  } catch {
    return null;
  }
}

function readPayload({ type, to, payload }: Request): Received<RequestType> {
  if (!Object.hasOwn(signalRequests, type)) throw new FlotillaError('UNKNOWN_TYPE', `there is no request "${type}"`);
  const spec = signalRequests[type as RequestType];
  const parsed = spec.payload.safeParse(payload);
  if (!parsed.success) throw new FlotillaError('BAD_PAYLOAD', firstIssue(parsed.error));
  const room = addressee('room', to);
  if (spec.to === 'room' && room === undefined)
    throw new FlotillaError('BAD_MESSAGE', 'say which room: `to: "room:<id or name>"`');
  return { payload: parsed.data, roomId: room === undefined ? '' : roomIdOf(RoomRef.parse(room)) };
}
