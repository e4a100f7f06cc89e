import type { TokenClaims } from '@flotilla/contracts';
import { roomIdOf, type SessionClaims, type UsedToken } from '@flotilla/store';

/** A used token id is kept until the token has expired and this much longer, ms, for clock differences. */
const replaySkewMs = 300_000;

/** The token as the store keeps it when it is used. */
export function usedToken({ jti, exp }: TokenClaims): UsedToken {
  return { id: jti, keptUntil: exp * 1000 + replaySkewMs };
}

/** The claims that a session keeps of its token. */
export function sessionClaims({ name, room, grants, bridge, iat, exp }: TokenClaims): SessionClaims {
  const roomId = room === undefined || room === '*' ? room : roomIdOf(room);
  return { name, room: roomId, grants, bridge: bridge.map(roomIdOf), issuedAt: iat, expiresAt: exp * 1000 };
}
