import { generateKeyPairSync } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { newResumeToken, resumeTokenHash, TokenIssuer, TokenVerifier, UpgradeAuthenticator } from '../src/index.ts';
import { goodClaims, now } from './issuer.ts';
import { signedWith } from './signed-with.ts';

const settings = { secret: 's'.repeat(32), issuer: 'flotilla', audience: 'flotilla' };
const verifier = new TokenVerifier(settings);
const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

function sign(
  claims: object,
  { secret = settings.secret, header = { alg: 'HS256', typ: 'JWT' } }: { secret?: string; header?: object } = {},
) {
  return signedWith(secret, claims, header);
}

describe('a token', () => {
  test('of the registry is accepted and gives its claims', async () => {
    const { token, expiresAt } = await new TokenIssuer(settings).issue({
      userId: 'ada',
      name: 'Ada',
      room: 'rm_a',
      grants: ['publish'],
      ttlSeconds: 60,
    });
    const claims = await verifier.verify(token);
    expect(claims).toMatchObject({ sub: 'ada', name: 'Ada', room: 'rm_a', grants: ['publish'] });
    expect(claims.exp - claims.iat).toBe(60);
    expect(expiresAt.getTime()).toBe(claims.exp * 1000);
  });

  test('with invisible characters in its name is accepted, also to refresh a session, and gives the name without them', async () => {
    // ZERO WIDTH NON-JOINER behind a letter that joins nothing, and a mark of direction: as directories export them.
    const token = (name: string) => sign({ ...goodClaims(), name });
    expect(await verifier.verify(token('Ada\u200B'))).toMatchObject({ name: 'Ada' });
    expect(await verifier.verifyRefresh(token('\u200Fمحمد\u200Cرضا'), { userId: 'ada' })).toMatchObject({
      name: 'محمدرضا',
    });
    await expect(verifier.verify(token('\u200B'))).rejects.toMatchObject({
      code: 'TOKEN_INVALID',
      message: 'claim name: a visible character is expected',
    });
  });

  test('without the claims room, grants and bridge allows nothing', async () => {
    const { room: _room, grants: _grants, ...claims } = goodClaims();
    const verified = await verifier.verify(sign(claims));
    expect(verified).toMatchObject({ grants: [], bridge: [] });
    expect(verified.room).toBeUndefined();
  });

  test.each(['iss', 'aud', 'sub', 'jti', 'iat', 'nbf', 'exp'])(
    'without %s is refused, and the message names it',
    async (claim) => {
      const { [claim]: _left, ...claims } = goodClaims() as Record<string, unknown>;
      await expect(verifier.verify(sign(claims))).rejects.toMatchObject({
        code: 'TOKEN_INVALID',
        message: expect.stringContaining(claim) as string,
      });
    },
  );

  const refused: [string, () => string, string][] = [
    [
      'past its time',
      () => sign({ ...goodClaims(), iat: now() - 200, nbf: now() - 200, exp: now() - 100 }),
      'TOKEN_EXPIRED',
    ],
    ['before its time', () => sign({ ...goodClaims(), nbf: now() + 100 }), 'TOKEN_INVALID'],
    ['issued in the future', () => sign({ ...goodClaims(), iat: now() + 100, exp: now() + 160 }), 'TOKEN_INVALID'],
    ['that lives longer than 15 minutes', () => sign({ ...goodClaims(), exp: now() + 901 }), 'TOKEN_INVALID'],
    ['for another audience', () => sign({ ...goodClaims(), aud: 'other' }), 'TOKEN_INVALID'],
    ['of another issuer', () => sign({ ...goodClaims(), iss: 'other' }), 'TOKEN_INVALID'],
    ['signed with another secret', () => sign(goodClaims(), { secret: 'x'.repeat(32) }), 'TOKEN_INVALID'],
    ['that says alg none', () => `${b64({ alg: 'none' })}.${b64(goodClaims())}.`, 'TOKEN_INVALID'],
    ['that claims HS512', () => sign(goodClaims(), { header: { alg: 'HS512' } }), 'TOKEN_INVALID'],
    [
      'with an unknown critical header',
      () => sign(goodClaims(), { header: { alg: 'HS256', crit: ['x'], x: 1 } }),
      'TOKEN_INVALID',
    ],
    ['that is no token', () => 'hello', 'TOKEN_INVALID'],
  ];
  test.each(refused)('%s is refused', async (_what, token, code) => {
    await expect(verifier.verify(token())).rejects.toMatchObject({ code });
  });

  test('with a grant that this version does not know is accepted without that grant', async () => {
    const claims = { ...goodClaims(), grants: ['root', 'publish', '__proto__', 'Admin'] };
    await expect(verifier.verify(sign(claims))).resolves.toMatchObject({ grants: ['publish'] });
    await expect(verifier.verify(sign({ ...claims, grants: ['publish', 7] }))).rejects.toMatchObject({
      code: 'TOKEN_INVALID',
    });
  });

  test('that refreshes a session must be of the same user', async () => {
    await expect(verifier.verifyRefresh(sign(goodClaims()), { userId: 'ada' })).resolves.toMatchObject({ sub: 'ada' });
    await expect(verifier.verifyRefresh(sign(goodClaims()), { userId: 'eve' })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    await expect(verifier.verifyRefresh('hello', { userId: 'ada' })).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });

  test('signed with a key pair is refused while only the shared secret is configured', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const token = await new SignJWT(goodClaims()).setProtectedHeader({ alg: 'EdDSA' }).sign(privateKey);
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });
});

describe('an upgrade request', () => {
  const authenticator = new UpgradeAuthenticator(verifier);
  const request = (headers: Record<string, string>, url = '/v1/signal') =>
    ({ headers, url }) as unknown as IncomingMessage;

  test('carries its token in a header or as a subprotocol', async () => {
    const token = sign(goodClaims());
    await expect(authenticator.authenticate(request({ authorization: `Bearer ${token}` }))).resolves.toMatchObject({
      sub: 'ada',
    });
    await expect(
      authenticator.authenticate(request({ 'sec-websocket-protocol': `flotilla.v1, flotilla.token.${token}` })),
    ).resolves.toMatchObject({ sub: 'ada' });
  });

  test('is refused with the error of its token', async () => {
    await expect(authenticator.authenticate(request({ authorization: 'Bearer no.such.token' }))).rejects.toMatchObject({
      code: 'TOKEN_INVALID',
    });
    const expired = sign({ ...goodClaims(), exp: Math.floor(Date.now() / 1000) - 60 });
    await expect(authenticator.authenticate(request({ authorization: `Bearer ${expired}` }))).rejects.toMatchObject({
      code: 'TOKEN_EXPIRED',
    });
  });

  test('without a token, or with one in its URL, is not authenticated', async () => {
    await expect(authenticator.authenticate(request({}))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(
      authenticator.authenticate(request({}, `/v1/signal?token=${sign(goodClaims())}`)),
    ).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});

describe('secrets', () => {
  test('a resume token is random and verified by its hash', () => {
    const { token, hash } = newResumeToken();
    expect(resumeTokenHash(token)).toBe(hash);
    expect(newResumeToken().token).not.toBe(token);
  });
});
