import { createHash } from 'node:crypto';
import { base32, idPrefixes, tenantOfRoom } from '@flotilla/contracts';

/**
 * The id of a room, from its id or its name, as somebody of a tenant (undefined: of none) names it. It is derived from the name (80
 * bits of SHA-256), so that no lookup is needed and parallel requests to create a room create the same one. The id of a room of
 * another tenant leads to a room that does not exist, so that the answer is that for any unknown room.
 */
export function roomIdOf(ref: string, tenant: string | undefined): string {
  if (ref.startsWith(idPrefixes.room) && tenantOfRoom(ref) === tenant) return ref;
  const name = base32(createHash('sha256').update(ref).digest().subarray(0, 10));
  return idPrefixes.room + (tenant === undefined ? name : `${tenant}-${name}`);
}
