import { FlotillaError, type TokenClaims } from '@flotilla/contracts';
import { roomIdOf, type SessionClaims, type SessionStore } from '@flotilla/store';

/** A used token id is kept until the token has expired and this much longer, ms, for clock differences. */
const replaySkewMs = 300_000;

/** Marks a token as used. Throws TOKEN_REPLAYED when it was used before. */
export async function useToken(store: SessionStore, { jti, exp }: TokenClaims): Promise<void> {
  if (!(await store.useTokenOnce(jti, exp * 1000 + replaySkewMs))) throw new FlotillaError('TOKEN_REPLAYED');
}

/** The claims that a session keeps of its token. */
export function sessionClaims({ name, room, grants, bridge, exp }: TokenClaims): SessionClaims {
  return { name, room, grants, bridge: bridge.map(roomIdOf), expiresAt: exp * 1000 };
}
