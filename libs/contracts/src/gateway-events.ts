/** Entries of the gateways' own streams: messages to users, and requests about sessions. */
import { z } from 'zod';
import { Offset, SessionId, UserId } from './ids.ts';

/** A message to a user or to everybody, as it is stored. `at`: when its gateway received it, in milliseconds since the Unix epoch. */
export const AddressedMessage = z.object({
  from: z.string(),
  payload: z.object({ data: z.unknown() }),
  at: z.number(),
});
export type AddressedMessage = z.infer<typeof AddressedMessage>;

/** An entry of a gateway's own stream. */
export const GatewayEvent = z.discriminatedUnion('type', [
  /** Another connection resumed the session. `resumeHash` is the hash of the resume token that the replaced one was given. */
  z.object({ type: z.literal('session_replaced'), sessionId: SessionId, resumeHash: z.string() }),
  /** A drill: the connection is cut without a close frame, as by a network failure. */
  z.object({ type: z.literal('cut_socket'), sessionId: SessionId }),
  /** An operator ended the session: its connection is closed. */
  z.object({ type: z.literal('session_revoked'), sessionId: SessionId }),
  /** For all sessions of the user on this gateway; `seq` is the offset among the messages to the user. */
  z.object({ type: z.literal('user_message'), userId: UserId, seq: Offset, message: AddressedMessage }),
]);
export type GatewayEvent = z.infer<typeof GatewayEvent>;
