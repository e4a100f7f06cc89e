import { type Backend, createBackend, type BackendOptions } from '@flotilla/backend';
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
  const joinTokens = joinTokensFor(keys, createBackend(options.registry));
  const addressOf = clientAddress(trustedProxies);
  return new WhipEndpoint({ signalUrl, log: log.child({ part: 'whip' }), addressOf, joinTokens });
}

/** Exchanges API keys for join tokens. A key is checked again before each token but the first: a removed one gets no further token. */
export function joinTokensFor(
  keys: ApiKeys,
  registry: Pick<Backend, 'issueToken'>,
): NonNullable<WhipOptions['joinTokens']> {
  return (bearer, { kind, room }) => {
    if (jsonWebToken.test(bearer)) return undefined;
    const authorization = `Bearer ${bearer}`;
    const name = keys.check(authorization, 'rooms') ?? participants[kind].name;
    const { grants } = participants[kind];
    const userId = base32Id(`${kind}-`);
    let isFirst = true;
    return async () => {
      if (!isFirst) keys.checkAgain(authorization, 'rooms');
      isFirst = false;
      return (await registry.issueToken({ room, name, userId, grants: [...grants] })).token;
    };
  };
}
