import {
  addressee,
  firstIssue,
  FlotillaError,
  isWellFormedJson,
  malformedText,
  maxNesting,
  Request,
  type RequestType,
  RoomRef,
  signalRequests,
} from '@flotilla/contracts';
import { roomIdOf } from '@flotilla/store';
import { nestsDeeperThan } from '../limits/nesting.ts';
import type { Received } from '../requests/request-handler.ts';

/** The envelope of a message; undefined text is a binary frame. Throws BAD_MESSAGE. */
export function parseRequest(text: string | undefined): Request {
  if (text === undefined) throw new FlotillaError('BAD_MESSAGE', 'send text frames');
  if (nestsDeeperThan(text, maxNesting))
    throw new FlotillaError('BAD_MESSAGE', `nested deeper than ${maxNesting} levels`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new FlotillaError('BAD_MESSAGE', 'not JSON');
  }
  if (!isWellFormedJson(text, json)) throw new FlotillaError('BAD_MESSAGE', malformedText);
  const request = Request.safeParse(json);
  if (!request.success) throw new FlotillaError('BAD_MESSAGE', firstIssue(request.error));
  return request.data;
}

/** Frames up to this size are read for their id as a whole, bytes. */
const wholeFrameBytes = 1024;
/** The begin of a message with its id in front. */
const idInFront = /^\s*\{\s*"id"\s*:\s*"([^"\\]{0,64})"/;

/**
 * The id of a message that is refused, if it is JSON, so that the client can match the refusal. Of a large one it is read only where it
 * comes first, because refusing must cost less than handling.
 */
export function idOf(frame: Buffer): string | null {
  const text = frame.toString('utf8', 0, wholeFrameBytes);
  if (frame.length > wholeFrameBytes) return idInFront.exec(text)?.[1] ?? null;
  if (nestsDeeperThan(text, maxNesting)) return null;
  try {
    const { id } = JSON.parse(text) as { id?: unknown };
    return typeof id === 'string' ? id.slice(0, 64) : null;
  } catch {
    return null;
  }
}

/** The payload and the addressee of a request. Throws UNKNOWN_TYPE, BAD_PAYLOAD or BAD_MESSAGE. */
export function readPayload(
  { type, to, payload }: Request,
  tenant: string | undefined,
): Omit<Received<RequestType>, 'session'> {
  if (!Object.hasOwn(signalRequests, type)) throw new FlotillaError('UNKNOWN_TYPE', `there is no request "${type}"`);
  const spec = signalRequests[type as RequestType];
  const parsed = spec.payload.safeParse(payload);
  if (!parsed.success) throw new FlotillaError('BAD_PAYLOAD', firstIssue(parsed.error));
  const room = addressee('room', to);
  if (spec.to === 'room' && room === undefined)
    throw new FlotillaError('BAD_MESSAGE', 'say which room: `to: "room:<id or name>"`');
  if (spec.to === 'any' && to === undefined)
    throw new FlotillaError('BAD_MESSAGE', 'say to whom: `to: "room:<id or name>"`, `"user:<id>"` or `"*"`');
  return { payload: parsed.data, roomId: room === undefined ? '' : roomIdOf(RoomRef.parse(room), tenant), to };
}
