import { z } from 'zod';
import type { TokenSettings } from './tokens.ts';

/** Who signs join tokens and for whom. The registry signs, the gateways verify: both need the same. */
export const tokenConfig = z.object({
  FLOTILLA_TOKEN_SECRET: z
    .string()
    .min(32, 'at least 32 characters')
    .describe('Shared secret that join tokens are signed with (HS256), 32 characters at least.'),
  FLOTILLA_TOKEN_ISSUER: z.string().default('flotilla').describe('The `iss` of join tokens.'),
  FLOTILLA_TOKEN_AUDIENCE: z.string().default('flotilla').describe('The `aud` of join tokens.'),
});
export type TokenConfig = z.output<typeof tokenConfig>;

export function tokenSettings({
  FLOTILLA_TOKEN_SECRET,
  FLOTILLA_TOKEN_ISSUER,
  FLOTILLA_TOKEN_AUDIENCE,
}: TokenConfig): TokenSettings {
  return { secret: FLOTILLA_TOKEN_SECRET, issuer: FLOTILLA_TOKEN_ISSUER, audience: FLOTILLA_TOKEN_AUDIENCE };
}
