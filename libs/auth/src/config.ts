import { flag, list } from '@flotilla/runtime';
import { z } from 'zod';
import { maxTokenSecrets, secretsIn } from './key-ring.ts';
import { inconsistencies, type TokenAlgorithm, tokenAlgorithms, type TokenSettings } from './token-settings.ts';

const isAlgorithm = (name: string): name is TokenAlgorithm => (tokenAlgorithms as readonly string[]).includes(name);

/** Whether keys may be fetched from a URL: over HTTPS, or over plain HTTP from this machine. */
function isTrustworthy(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/**
 * Settings of join tokens. The registry signs with the secret; the gateways verify with it, with the keys of an external issuer, or
 * with both. `checkTokens` checks combinations of settings.
 */
export const tokenConfig = z.object({
  FLOTILLA_TOKEN_SECRET: z
    .string()
    .refine(
      (text) => secretsIn(text).length > 0 && secretsIn(text).every((one) => one.length >= 32),
      'at least 32 characters',
    )
    .refine((setting) => secretsIn(setting).length <= maxTokenSecrets, `at most ${maxTokenSecrets} secrets`)
    .optional()
    .describe(
      'Shared secret that join tokens are signed with (HS256), 32 characters at least. Several, one a line, are all accepted, and the first one signs (docs/authorization.md). It or FLOTILLA_TOKEN_JWKS_URL is required; without it the registry issues no tokens.',
    ),
  FLOTILLA_TOKEN_JWKS_URL: z
    .url({ protocol: /^https?$/, error: 'an https: URL', abort: true })
    .refine(isTrustworthy, 'https:, or http: on a loopback address')
    .optional()
    .describe('URL of the public keys of your own token issuer, such as https://id.example.com/jwks.json.'),
  FLOTILLA_TOKEN_ALGORITHMS: list()
    .transform((names, context) => {
      const unknown = names.filter((name) => !isAlgorithm(name));
      if (unknown.length > 0 || names.length === 0)
        context.addIssue({ code: 'custom', message: `a list of ${tokenAlgorithms.join(', ')}` });
      return names.filter(isAlgorithm);
    })
    .optional()
    .describe(
      'Algorithms a join token may be signed with, separated by commas, out of HS256, RS256, PS256, ES256 and EdDSA. Default: HS256 with a secret; RS256, ES256 and EdDSA with a JWKS URL.',
    ),
  FLOTILLA_TOKEN_ISSUER: z.string().default('flotilla').describe('The `iss` of join tokens.'),
  FLOTILLA_TOKEN_AUDIENCE: z.string().default('flotilla').describe('The `aud` of join tokens.'),
});
export type TokenConfig = z.output<typeof tokenConfig>;

/** Whether clients must send their time. A time that they send is always checked. */
export const clientTimeConfig = z.object({
  FLOTILLA_REQUIRE_CLIENT_TIME: flag()
    .default(false)
    .describe('true refuses clients that do not send their clock (`flotilla-time`, or `flotilla.time.<ms>`).'),
});

/** Checks that there is a key and that each key has an algorithm. For `superRefine`. */
export function checkTokens(config: TokenConfig, context: z.RefinementCtx): void {
  const {
    FLOTILLA_TOKEN_SECRET: secret,
    FLOTILLA_TOKEN_JWKS_URL: jwks,
    FLOTILLA_TOKEN_ALGORITHMS: algorithms,
  } = config;
  for (const { setting, message } of inconsistencies({ secret, jwks, algorithms }))
    context.addIssue({ code: 'custom', path: [setting], message });
}

export function tokenSettings(config: TokenConfig): TokenSettings {
  return {
    // Read at each use: the setting is loaded again when its file changes.
    get secret() {
      return config.FLOTILLA_TOKEN_SECRET;
    },
    jwks: config.FLOTILLA_TOKEN_JWKS_URL === undefined ? undefined : { url: config.FLOTILLA_TOKEN_JWKS_URL },
    algorithms: config.FLOTILLA_TOKEN_ALGORITHMS,
    issuer: config.FLOTILLA_TOKEN_ISSUER,
    audience: config.FLOTILLA_TOKEN_AUDIENCE,
  };
}
