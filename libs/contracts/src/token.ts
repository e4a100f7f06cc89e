import { z } from 'zod';
import { RoomRef, UserId } from './ids.ts';
import { DisplayName } from './room.ts';
import { isWellFormed, malformedText } from './well-formed.ts';

/**
 * What a token allows. `publish` and `subscribe` are about media and metadata topics, `data` about messages to rooms and users, `broadcast` about
 * messages to everybody, `admin` about watching the fleet. Messages into rooms one is not in need the claim `bridge`.
 */
export const Grant = z.enum(['publish', 'subscribe', 'data', 'broadcast', 'admin']);
export type Grant = z.infer<typeof Grant>;

export const defaultGrants: readonly Grant[] = ['publish', 'subscribe', 'data'];

/** The longest a token may live (RFC 8725, section 3.10, leaves the figure to us). */
export const maxTokenSeconds = 900;

/** Claims of a join token. Registered claims as in RFC 7519, section 4.1; the others are Flotilla's. */
export const TokenClaims = z.object({
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  sub: UserId,
  jti: z.string().min(8).max(64),
  iat: z.int(),
  nbf: z.int(),
  exp: z.int(),
  name: DisplayName.refine(isWellFormed, malformedText).optional(),
  room: RoomRef.optional().describe('The only room it opens. Without it, any room.'),
  grants: z
    .array(Grant)
    .max(16)
    .default([...defaultGrants]),
  bridge: z
    .array(RoomRef)
    .max(64)
    .default([])
    .describe('Rooms it may send messages into without being in them, if they accept that (`acceptBridged`).'),
});
export type TokenClaims = z.infer<typeof TokenClaims>;
