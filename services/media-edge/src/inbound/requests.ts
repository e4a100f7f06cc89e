import { FlotillaError, RoomRef } from '@flotilla/contracts';
import type { Request } from 'express';

export const LOG = Symbol('log of the REST API');

/** Throws ROOM_NOT_FOUND for what cannot be a room. */
export function roomOf(text: string): string {
  const room = RoomRef.safeParse(text);
  if (!room.success) throw new FlotillaError('ROOM_NOT_FOUND');
  return room.data;
}

/** Throws UNSUPPORTED_MEDIA_TYPE for a body of another type. */
export function requireJson(request: Request): void {
  // `is` takes a length of 0, which fetch sends without a body, for a body.
  const isEmpty = request.headers['content-length'] === '0';
  if (!isEmpty && request.is('application/json') === false) throw new FlotillaError('UNSUPPORTED_MEDIA_TYPE');
}
