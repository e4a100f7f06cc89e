import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TokenIssuer, TokenVerifier } from '../src/index.ts';
import { Issuer } from './issuer.ts';

const settings = { secret: 's'.repeat(32), issuer: 'flotilla', audience: 'flotilla' };
const issuer = new Issuer();
const tokens: Record<string, string> = {};
let verifier: TokenVerifier;

beforeAll(async () => {
  await issuer.start();
  verifier = new TokenVerifier({ ...settings, jwks: { url: issuer.url } });
  const request = { userId: 'ada', grants: ['publish'] as const, ttlSeconds: 900 };
  tokens['HS256'] = (await new TokenIssuer(settings).issue(request)).token;
  for (const alg of ['RS256', 'ES256', 'EdDSA']) {
    await issuer.addKey(alg, alg);
    tokens[alg] = await issuer.sign(alg);
  }
});
afterAll(() => issuer.stop());

const letters = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');

/** Any way to change a text: letters replaced, put in, taken out, doubled, or parts of it swapped. */
const edit = fc.oneof(
  fc.record({ at: fc.nat(2_000), remove: fc.nat(3), insert: fc.string({ unit: 'binary', maxLength: 3 }) }),
  fc.record({ at: fc.nat(2_000), remove: fc.nat(2_000), insert: fc.constant('') }),
  fc.record({
    at: fc.nat(2_000),
    remove: fc.constant(1),
    insert: fc.constantFrom(...letters, '.', '=', '+', '/', ' ', '\n'),
  }),
);

describe('a valid token', () => {
  test.each(['HS256', 'RS256', 'ES256', 'EdDSA'])('of %s that is changed in any way is refused', async (alg) => {
    const token = tokens[alg]!;
    await expect(verifier.verify(token)).resolves.toMatchObject({ sub: 'ada' });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
        const changed = edits.reduce((text, { at, remove, insert }) => {
          const place = at % (text.length + 1);
          return text.slice(0, place) + insert + text.slice(place + remove);
        }, token);
        fc.pre(changed !== token);
        await expect(verifier.verify(changed)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
      }),
      { numRuns: 1_000 },
    );
  });

  test.each(['HS256', 'RS256', 'ES256', 'EdDSA'])('of %s is refused with any other last letter', async (alg) => {
    const token = tokens[alg]!;
    for (const letter of [...letters, '=']) {
      const changed = token.slice(0, -1) + letter;
      if (changed !== token) await expect(verifier.verify(changed)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    }
  });

  test('is refused with the header, the payload or the signature of another', async () => {
    const parts = Object.values(tokens).map((token) => token.split('.'));
    for (const [h, [header]] of parts.entries())
      for (const [p, [, payload]] of parts.entries())
        for (const [s, [, , signature]] of parts.entries()) {
          if (h === p && p === s) continue;
          // Tokens of the issuer carry the same payload: only what none of its keys signed must fail.
          if (h === s && parts[p]![1] === parts[h]![1]) continue;
          await expect(verifier.verify(`${header}.${payload}.${signature}`)).rejects.toMatchObject({
            code: 'TOKEN_INVALID',
          });
        }
  });
});
