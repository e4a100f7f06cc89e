/** The three shapes that travel over a `flotilla.v1` WebSocket. */
import { z } from 'zod';
import { ErrorBody } from './errors.ts';
import { Offset, RoomRef, UserId } from './ids.ts';

/**
 * The WebSocket subprotocol. A second entry, `flotilla.token.<jwt>` or `flotilla.resume.<token>`, carries the credential; a
 * third, `flotilla.time.<ms>`, the client's clock.
 */
export const subprotocol = 'flotilla.v1';
export const tokenSubprotocolPrefix = 'flotilla.token.';
export const resumeSubprotocolPrefix = 'flotilla.resume.';
export const timeSubprotocolPrefix = 'flotilla.time.';
/** The client's clock (ms since the Unix epoch) in a request; the server's in the answer of `/v1/signal/validate`. */
export const timeHeader = 'flotilla-time';

/** A client whose clock is further off than this is refused, in milliseconds. */
export const maxClockSkewMs = 30_000;

/** The path of the WebSocket endpoint. */
export const signalPath = '/v1/signal';

/** The largest frame a client may send, in bytes. A larger one closes the connection with 1009. */
export const maxFrameBytes = 65_536;

/** How deep objects and arrays may be nested in a frame. */
export const maxNesting = 32;

export const Address = z
  .union([z.templateLiteral(['room:', RoomRef]), z.templateLiteral(['user:', UserId]), z.literal('*')])
  .describe('Where a message goes: `room:<id or name>`, `user:<id>`, or `*` for every session.');
export type Address = z.infer<typeof Address>;

/** Client to server. */
export const Request = z.strictObject({
  id: z.string().min(1).max(64).describe('Chosen by the client; the reply repeats it as `replyTo`.'),
  type: z.string().min(1).max(64),
  to: Address.optional(),
  payload: z.record(z.string(), z.unknown()).default({}),
});
export type Request = z.infer<typeof Request>;

/** Server to client, exactly one for each request. */
export const Reply = z.object({
  replyTo: z.string().nullable(),
  ok: z.boolean(),
  payload: z.record(z.string(), z.unknown()).optional(),
  error: ErrorBody.optional(),
});
export type Reply = z.infer<typeof Reply>;

/** Server to client. A client that resumes sends, for each `to`, the last `seq` that it received. */
export const Event = z.object({
  seq: Offset.optional().describe(
    'Position of the event in the stream of `to`. Absent for events of the connection, which are not repeated.',
  ),
  type: z.string(),
  from: z.string().describe('Set by the server: the id of a participant, `user:<id>`, or `system`.'),
  to: z.string().describe('`room:<id>`, `user:<id>` or `*`. For an event of the connection, the user of the session.'),
  routedAt: z.int().nonnegative().describe('When the gateway sent the event, in milliseconds since the Unix epoch.'),
  payload: z.record(z.string(), z.unknown()),
});
export type Event = z.infer<typeof Event>;

/** `from` of events that the fleet itself sends. */
export const systemAddress = 'system';

export const roomAddress = (roomId: string): `room:${string}` => `room:${roomId}`;
export const userAddress = (userId: string): `user:${string}` => `user:${userId}`;

/** The part behind the colon when the address is of that kind. */
export function addressee(kind: 'room' | 'user', address: string | undefined): string | undefined {
  return address?.startsWith(`${kind}:`) ? address.slice(kind.length + 1) : undefined;
}
