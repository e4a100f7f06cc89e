import type { TokenClaims } from '@flotilla/contracts';
import { roomIdOf, type SessionClaims, type UsedToken } from '@flotilla/store';

/** A used token id is kept until the token has expired and this much longer, ms, for clock differences. */
const replaySkewMs = 300_000;

/** The token as the store keeps it when it is used. */
export function usedToken({ jti, exp }: TokenClaims): UsedToken {
  return { id: jti, keptUntil: exp * 1000 + replaySkewMs };
}

/** The claims that a session keeps of its token. */
export function sessionClaims(claims: TokenClaims): SessionClaims {
  const { name, room, grants, maxPublishBitrate, bridge, tenant, iat, exp } = claims;
  const idOf = (ref: string): string => roomIdOf(ref, tenant);
  const roomId = room === undefined || room === '*' ? room : idOf(room);
  return {
    name,
    room: roomId,
    grants,
    maxPublishBitrate,
    bridge: bridge.map(idOf),
    issuedAt: iat,
    expiresAt: exp * 1000,
  };
}
