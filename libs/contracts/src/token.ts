import { z } from 'zod';
import { Grant, MaxPublishBitrate, roomGrants } from './grants.ts';
import { RoomRef, Subject, Tenant } from './ids.ts';
import { knownOf } from './newer.ts';
import { DisplayName } from './room.ts';
import { isWellFormed, malformedText } from './well-formed.ts';

export const RoomClaim = z
  .union([z.literal('*'), RoomRef])
  .describe('The only room that the session may join, or `*` for any room. Absent: none.');

/** Maximum lifetime of a token, in seconds. */
export const maxTokenSeconds = 900;

/** Those of the grants that a user of a tenant cannot have, because they concern the whole fleet. */
export const grantsOfFleet = (grants: readonly Grant[]): Grant[] =>
  grants.filter((grant) => !(roomGrants as readonly Grant[]).includes(grant));

/** Claims of a join token. Registered claims as in RFC 7519, section 4.1; the others are Flotilla's. */
export const TokenClaims = z.object({
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  sub: Subject,
  tenant: Tenant.optional().describe('The tenant of the user, of its rooms, and of whom it reaches.'),
  jti: z.string().min(8).max(64).refine(isWellFormed, malformedText),
  iat: z.int(),
  nbf: z.int(),
  exp: z.int(),
  name: DisplayName.refine(isWellFormed, malformedText).optional(),
  room: RoomClaim.optional(),
  /** A grant that this version does not know, which a registry of the next one may have issued, is none. */
  grants: knownOf(Grant, z.array(Grant).max(16)).default([]).describe('What the session may do. Absent: nothing.'),
  maxPublishBitrate: MaxPublishBitrate.optional(),
  bridge: z
    .array(RoomRef)
    .max(64)
    .default([])
    .describe(
      'Rooms to which the session may send messages without joining them, if they were created with `acceptBridged`.',
    ),
});
export type TokenClaims = z.infer<typeof TokenClaims>;
