import { createHmac } from 'node:crypto';
import type { IceServer } from '@flotilla/contracts';
import type { TurnConfig } from '../config.ts';
import type { Session } from '../sessions/session.ts';

/**
 * TURN servers with credentials that expire, which the server checks by a secret that it shares with the gateway: coturn's
 * `use-auth-secret`, draft-uberti-behave-turn-rest-00.
 */
export class IceServers {
  constructor(private readonly config: TurnConfig) {}

  /** The servers, with a credential that is valid as long as the token of the session; no field without a TURN server. */
  of({ id, identity }: Pick<Session, 'id' | 'identity'>): { readonly iceServers?: IceServer[] } {
    const { FLOTILLA_TURN_URLS: urls, FLOTILLA_TURN_SECRET: secrets } = this.config;
    const secret = secrets?.split(/[,\n]/)[0]!.trim();
    if (urls.length === 0 || !secret) return {};
    const username = `${Math.floor(identity.expiresAt / 1000)}:${id}`;
    const credential = createHmac('sha1', secret).update(username).digest('base64');
    return { iceServers: [{ urls, username, credential }] };
  }
}
