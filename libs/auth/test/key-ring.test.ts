import { decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { TokenIssuer, TokenVerifier } from '../src/index.ts';
import { goodClaims } from './issuer.ts';
import { signedWith } from './signed-with.ts';

const [oldSecret, newSecret] = ['o'.repeat(32), 'n'.repeat(32)];
const parties = { issuer: 'flotilla', audience: 'flotilla' };
const request = { userId: 'ada', grants: [], ttlSeconds: 60 };
const issue = async (secret: string): Promise<string> =>
  (await new TokenIssuer({ ...parties, secret }).issue(request)).token;
const verify = (secret: string, token: string) => new TokenVerifier({ ...parties, secret }).verify(token);

describe('a ring of token secrets', () => {
  test('accepts the tokens of each of its secrets in every step of a rotation', async () => {
    // Each service takes the next step at its own time, so neighbouring steps exist side by side.
    const steps = [oldSecret, `${oldSecret}\n${newSecret}`, `${newSecret}\n${oldSecret}`, newSecret];
    for (const [index, signer] of steps.entries())
      for (const verifier of steps.slice(Math.max(0, index - 1), index + 2))
        await expect(verify(verifier, await issue(signer))).resolves.toMatchObject({ sub: 'ada' });
  });

  test('signs with its first secret, and names it by an id that does not contain it', async () => {
    const { kid = '' } = decodeProtectedHeader(await issue(`${newSecret}\n${oldSecret}`));
    expect(kid).toBe(decodeProtectedHeader(await issue(newSecret)).kid);
    expect(kid).not.toBe(decodeProtectedHeader(await issue(oldSecret)).kid);
    expect(kid).not.toContain('n'.repeat(3));
  });

  test('refuses the tokens of a secret that was taken out of it', async () => {
    const token = await issue(oldSecret);
    await expect(verify(newSecret, token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    await expect(verify(`${newSecret}\n${'x'.repeat(32)}`, token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });

  test.each([
    ['no key id', {}],
    ['a key id of its own', { kid: 'my-key' }],
  ])('accepts a token of another holder of any of its secrets with %s', async (_what, header) => {
    const token = signedWith(oldSecret, goodClaims(), { alg: 'HS256', ...header });
    await expect(verify(`${newSecret}\n${oldSecret}`, token)).resolves.toMatchObject({ sub: goodClaims().sub });
  });

  test('refuses a token that names one secret and is signed with another', async () => {
    const { kid } = decodeProtectedHeader(await issue(newSecret));
    const token = signedWith(oldSecret, goodClaims(), { alg: 'HS256', kid });
    await expect(verify(`${newSecret}\n${oldSecret}`, token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });

  test('follows its setting while the service runs', async () => {
    const settings = { ...parties, secret: oldSecret };
    const verifier = new TokenVerifier(settings);
    const token = await issue(newSecret);
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    settings.secret = `${oldSecret}\n${newSecret}`;
    await expect(verifier.verify(token)).resolves.toMatchObject({ sub: 'ada' });
  });
});
