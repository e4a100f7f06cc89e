import { type Backend, createBackend, type BackendOptions } from '@flotilla/backend';
import { FlotillaError } from '@flotilla/contracts';
import { clientAddress, type Logger } from '@flotilla/runtime';
import { WhipEndpoint, type WhipOptions } from '@flotilla/whip';
import { base32Id } from './ids.ts';
import type { ApiKeys } from './inbound/api-keys.ts';

/** A JSON Web Token in its compact form, RFC 7519 section 3: a join token. */
const jsonWebToken = /^[\w-]+\.[\w-]+\.[\w-]+$/;

const participants = {
  whip: { name: 'Encoder', grants: ['publish'] },
  whep: { name: 'Player', grants: ['subscribe'] },
} as const;

/**
 * The WHIP and WHEP endpoint of the edge. Its bearer token is a join token, or an API key of the edge with the scope `rooms`: for that the
 * edge requests join tokens itself, so that an encoder needs one key for as long as it streams.
 */
export function whipEndpoint(options: {
  readonly signalUrl: string;
  readonly registry: BackendOptions;
  readonly keys: ApiKeys;
  readonly trustedProxies: readonly string[];
  readonly log: Logger;
}): WhipEndpoint {
  const { signalUrl, keys, trustedProxies, log } = options;
  return new WhipEndpoint({
    signalUrl,
    log: log.child({ part: 'whip' }),
    addressOf: clientAddress(trustedProxies),
    joinTokens: joinTokensFor(keys, createBackend(options.registry)),
    audit: auditFor(keys),
  });
}

/** Exchanges API keys for join tokens. A key is checked again before each token but the first: a removed one gets no further token. */
export function joinTokensFor(
  keys: ApiKeys,
  registry: Pick<Backend, 'issueToken'>,
): NonNullable<WhipOptions['joinTokens']> {
  return (bearer, { kind, room }) => {
    if (jsonWebToken.test(bearer)) return undefined;
    const authorization = `Bearer ${bearer}`;
    const key = keys.identify(authorization);
    keys.admit(key, 'rooms');
    const { name, grants } = participants[kind];
    const userId = base32Id(`${kind}-`);
    return {
      next: async () => {
        if (!keys.accepts(authorization, 'rooms'))
          throw new FlotillaError('FORBIDDEN', 'the API key was removed, or has no scope rooms any more');
        return (await registry.issueToken({ room, name: key?.name ?? name, userId, grants: [...grants] })).token;
      },
      isAccepted: () => keys.accepts(authorization, 'rooms'),
    };
  };
}

const actions = { POST: 'create', PATCH: 'change', DELETE: 'delete' } as const;

/** Audits what API keys change by WHIP and WHEP. Join tokens are not audited: the registry did that when it issued them. */
export function auditFor(keys: ApiKeys): NonNullable<WhipOptions['audit']> {
  return (bearer) => {
    const key = keys.find(`Bearer ${bearer}`);
    if (!key) return undefined;
    return ({ method, kind, room, participantId, outcome }) =>
      keys.audit(key, {
        action: `${actions[method]}${kind === 'whip' ? 'Whip' : 'Whep'}`,
        target: { room, ...(participantId !== undefined && { participant: participantId }) },
        outcome,
      });
  };
}
