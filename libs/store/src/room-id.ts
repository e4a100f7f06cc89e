import { createHash } from 'node:crypto';
import { base32, idPrefixes } from '@flotilla/contracts';

/**
 * The id of a room, from its id or its name. It is derived from the name (80 bits of SHA-256), so that no lookup is needed and
 * parallel requests to create a room create the same one.
 */
export function roomIdOf(ref: string): string {
  if (ref.startsWith(idPrefixes.room)) return ref;
  return idPrefixes.room + base32(createHash('sha256').update(ref).digest().subarray(0, 10));
}
