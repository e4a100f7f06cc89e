import type { TokenClaims } from '@flotilla/contracts';
import { roomIdOf, type SessionClaims, type UsedToken } from '@flotilla/store';

/** A used token id is kept until the token has expired and this much longer, ms, for clock differences. */
const replaySkewMs = 300_000;

/** The token as the store keeps it when it is used. */
export function usedToken({ jti, exp }: TokenClaims): UsedToken {
  return { id: jti, keptUntil: exp * 1000 + replaySkewMs };
}

/** The claims that a session keeps of its token. */
export function sessionClaims({ name, room, grants, bridge, tenant, iat, exp }: TokenClaims): SessionClaims {
  const idOf = (ref: string): string => roomIdOf(ref, tenant);
  const roomId = room === undefined || room === '*' ? room : idOf(room);
  return { name, room: roomId, grants, bridge: bridge.map(idOf), issuedAt: iat, expiresAt: exp * 1000 };
}
