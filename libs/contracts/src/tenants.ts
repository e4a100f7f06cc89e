import { idPrefixes } from './ids.ts';

/** The tenant of a user, undefined when it has none. */
export const tenantOfUser = (userId: string): string | undefined => before('/', userId);

/** The id of a user without its tenant: the claim `sub` of its tokens. */
export const subjectOfUser = (userId: string): string => userId.slice(userId.indexOf('/') + 1);

/** The user whose token has these claims. */
export const userOfClaims = ({ sub, tenant }: { sub: string; tenant?: string | undefined }): string =>
  tenant === undefined ? sub : `${tenant}/${sub}`;

/** The id of a user that somebody of a tenant names, with its tenant or without. Undefined: it is a user of another tenant. */
export function userIdOf(user: string, tenant: string | undefined): string | undefined {
  const id = userOfClaims({ sub: subjectOfUser(user), tenant });
  return user === id || tenantOfUser(user) === undefined ? id : undefined;
}

/** The tenant of a room, undefined when it has none. */
export const tenantOfRoom = (roomId: string): string | undefined => before('-', roomId.slice(idPrefixes.room.length));

const before = (separator: string, text: string): string | undefined =>
  text.includes(separator) ? text.slice(0, text.indexOf(separator)) : undefined;
