/** Errors of a join after which another attempt would fail in the same way. */
export const finalCodes: ReadonlySet<string> = new Set([
  'BANNED',
  'FORBIDDEN',
  'MEDIA_UNSUPPORTED',
  'NOT_IN_ROOM',
  'ROOM_NOT_FOUND',
  'SESSION_REVOKED',
  'UNAUTHENTICATED',
]);
