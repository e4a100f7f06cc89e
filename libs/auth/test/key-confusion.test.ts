import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { exportJWK, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type TokenSettings, TokenVerifier } from '../src/index.ts';
import { goodClaims, Issuer } from './issuer.ts';

const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const secret = 's'.repeat(32);
const refusedAs = (code: string, message = '') => ({ code, message: expect.stringContaining(message) as string });

let issuer: Issuer;

beforeEach(async () => {
  issuer = await new Issuer().start();
});
afterEach(() => issuer.stop());

const verifierOf = (settings: Partial<TokenSettings> = {}) =>
  new TokenVerifier({
    issuer: 'flotilla',
    audience: 'flotilla',
    jwks: { url: issuer.url },
    ...settings,
  });

describe('key confusion', () => {
  const withHmac = (key: string | Buffer, header: object) => {
    const signed = `${b64(header)}.${b64(goodClaims())}`;
    return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
  };

  test("a token signed with the public key's bytes as the secret is refused, whether there is a secret or not", async () => {
    const jwk = await issuer.addKey('k1', 'RS256');
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const secrets = [
      key.export({ type: 'spki', format: 'pem' }),
      key.export({ type: 'pkcs1', format: 'pem' }),
      key.export({ type: 'spki', format: 'der' }),
      JSON.stringify(jwk),
      jwk.n!,
      Buffer.from(jwk.n!, 'base64url'),
      '',
    ];
    for (const verifier of [verifierOf(), verifierOf({ secret })]) {
      for (const bytes of secrets)
        for (const alg of ['HS256', 'RS256'])
          await expect(verifier.verify(withHmac(bytes, { alg, kid: 'k1' }))).rejects.toMatchObject({
            code: 'TOKEN_INVALID',
          });
    }
  });

  test('a symmetric key in the key set is ignored', async () => {
    issuer.published = [{ kty: 'oct', kid: 'k1', k: Buffer.from(secret).toString('base64url'), alg: 'HS256' }];
    await expect(verifierOf().verify(withHmac(secret, { alg: 'HS256', kid: 'k1' }))).rejects.toMatchObject({
      code: 'TOKEN_INVALID',
    });
    issuer.published = [{ kty: 'oct', kid: 'k1', k: Buffer.from(secret).toString('base64url') }];
    await expect(verifierOf().verify(withHmac(secret, { alg: 'RS256', kid: 'k1' }))).rejects.toMatchObject({
      code: 'TOKEN_INVALID',
    });
  });

  test('a key whose type, curve, use or algorithm does not match is ignored', async () => {
    const jwk = await issuer.addKey('k1', 'ES256');
    const token = await issuer.sign('k1');
    const { publicKey: ed } = generateKeyPairSync('ed25519');
    const { publicKey: p384 } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const misfits = [
      { ...(await exportJWK(ed)), kid: 'k1' },
      { ...(await exportJWK(p384)), kid: 'k1' },
      { ...jwk, kty: 'RSA' },
      { ...jwk, use: 'enc' },
      { ...jwk, alg: 'RS256' },
      { ...jwk, key_ops: ['sign'] },
    ];
    for (const misfit of misfits) {
      issuer.published = [misfit];
      await expect(verifierOf().verify(token), JSON.stringify(misfit)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    }
    issuer.published = [jwk];
    await expect(verifierOf().verify(token)).resolves.toMatchObject({ sub: 'ada' });
  });

  test('keys in the header of the token are ignored', async () => {
    const jwk = await issuer.addKey('k1', 'ES256');
    const attacker = await new Issuer().start();
    const own = await attacker.addKey('k1', 'ES256');
    const verifier = verifierOf();
    for (const header of [{ jwk: own }, { jku: attacker.url }, { x5u: attacker.url }, { kid: undefined, jwk: own }])
      await expect(verifier.verify(await attacker.sign('k1', goodClaims(), header))).rejects.toMatchObject({
        code: 'TOKEN_INVALID',
      });
    expect(attacker.fetches).toBe(0);
    expect(jwk.kid).toBe(own.kid);
    await attacker.stop();
  });

  test.each(['none', 'None', 'NONE', '', null, ['ES256'], { toString: 'ES256' }])('alg %j is refused', async (alg) => {
    await issuer.addKey('k1', 'ES256');
    const [, payload, signature] = (await issuer.sign('k1')).split('.');
    const verifier = verifierOf({ secret });
    for (const tail of ['', signature])
      await expect(verifier.verify(`${b64({ alg, kid: 'k1' })}.${payload}.${tail}`)).rejects.toMatchObject({
        code: 'TOKEN_INVALID',
      });
    expect(issuer.fetches).toBe(0);
  });

  test('a signature by another key than that of its key id is refused', async () => {
    await issuer.addKey('k1', 'EdDSA');
    const { privateKey } = generateKeyPairSync('ed25519');
    const token = await new SignJWT(goodClaims()).setProtectedHeader({ alg: 'EdDSA', kid: 'k1' }).sign(privateKey);
    await expect(verifierOf().verify(token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });

  test('an RSA key below 2,048 bits is ignored', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    issuer.published = [{ ...(await exportJWK(publicKey)), kid: 'weak' }];
    const input = `${b64({ alg: 'RS256', kid: 'weak' })}.${b64(goodClaims())}`;
    const token = `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
    await expect(verifierOf().verify(token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });

  test('without a key id, a single matching key is used, but none of several', async () => {
    await issuer.addKey('k1', 'ES256');
    const token = await issuer.sign('k1', goodClaims(), { kid: undefined });
    await expect(verifierOf().verify(token)).resolves.toMatchObject({ sub: 'ada' });
    await issuer.addKey('k2', 'ES256');
    await expect(verifierOf().verify(token)).rejects.toMatchObject(refusedAs('TOKEN_INVALID', 'kid'));
  });
});
