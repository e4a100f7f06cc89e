import type { GatewayEvent } from '@flotilla/contracts';

/** The entry in the stream of a session's gateway that closes its connection. */
export function sessionRevoked(sessionId: string): string {
  const event: GatewayEvent = { type: 'session_revoked', sessionId };
  return JSON.stringify(event);
}
