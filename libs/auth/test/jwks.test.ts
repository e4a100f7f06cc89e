import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { exportJWK, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TokenIssuer, type TokenSettings, TokenVerifier } from '../src/index.ts';
import { goodClaims, Issuer, now } from './issuer.ts';

const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const secret = 's'.repeat(32);
const refusedAs = (code: string, message = '') => ({ code, message: expect.stringContaining(message) as string });

let issuer: Issuer;
/** The verifier's clock, in ms: tests move it instead of waiting. */
let clock: number;

beforeEach(async () => {
  issuer = await new Issuer().start();
  clock = 0;
});
afterEach(() => issuer.stop());

const verifierOf = (settings: Partial<TokenSettings> = {}) =>
  new TokenVerifier({
    issuer: 'flotilla',
    audience: 'flotilla',
    jwks: { url: issuer.url, timeoutMs: 300, now: () => clock },
    ...settings,
  });

describe('a token signed by an issuer outside the fleet', () => {
  test.each(['RS256', 'ES256', 'EdDSA'])('with %s is accepted', async (alg) => {
    await issuer.addKey('k1', alg);
    const verifier = verifierOf();
    await expect(verifier.verify(await issuer.sign('k1'))).resolves.toMatchObject({ sub: 'ada', grants: ['publish'] });
    await expect(verifier.verify(await issuer.sign('k1', goodClaims(), { typ: 'at+jwt' }))).resolves.toMatchObject({
      sub: 'ada',
    });
    expect(issuer.fetches).toBe(1);
  });

  test('with PS256 is accepted once that is allowed', async () => {
    await issuer.addKey('k1', 'PS256');
    const token = await issuer.sign('k1');
    await expect(verifierOf().verify(token)).rejects.toMatchObject(refusedAs('TOKEN_INVALID', 'alg'));
    await expect(verifierOf({ algorithms: ['PS256'] }).verify(token)).resolves.toMatchObject({ sub: 'ada' });
  });

  test('is accepted beside tokens of our own', async () => {
    await issuer.addKey('k1', 'ES256');
    const verifier = verifierOf({ secret });
    const own = new TokenIssuer({ secret, issuer: 'flotilla', audience: 'flotilla' });
    const { token } = await own.issue({ userId: 'bob', bridge: ['other'], grants: ['broadcast'], ttlSeconds: 60 });
    expect(await verifier.verify(token)).toMatchObject({ sub: 'bob', bridge: ['other'], grants: ['broadcast'] });
    expect(await verifier.verify(token)).not.toHaveProperty('room');
    await expect(verifier.verify(await issuer.sign('k1'))).resolves.toMatchObject({ sub: 'ada' });
  });

  test('by an algorithm that is not allowed is refused without asking the issuer', async () => {
    await issuer.addKey('k1', 'ES256');
    const verifier = verifierOf({ algorithms: ['RS256'] });
    await expect(verifier.verify(await issuer.sign('k1'))).rejects.toMatchObject(refusedAs('TOKEN_INVALID', 'alg'));
    expect(issuer.fetches).toBe(0);
  });

  test.each(['iss', 'aud', 'sub', 'jti', 'iat', 'nbf', 'exp'])('without %s is refused', async (claim) => {
    await issuer.addKey('k1', 'ES256');
    const { [claim]: _left, ...claims } = goodClaims() as Record<string, unknown>;
    await expect(verifierOf().verify(await issuer.sign('k1', claims))).rejects.toMatchObject(
      refusedAs('TOKEN_INVALID', claim),
    );
  });

  const wrong: [string, Record<string, unknown>, object, string][] = [
    ['for another audience', { aud: ['other'] }, {}, 'aud'],
    ['of another issuer', { iss: 'https://evil.example' }, {}, 'iss'],
    ['that lives too long', { exp: now() + 1_000 }, {}, 'exp'],
    ['that begins later', { nbf: now() + 100 }, {}, 'nbf'],
    ['issued in the future', { iat: now() + 100, exp: now() + 160 }, {}, 'iat'],
    ['of another type', {}, { typ: 'dpop+jwt' }, 'typ'],
    ['whose claims are no objects', { grants: 'publish' }, {}, 'grants'],
  ];
  test.each(wrong)('%s is refused', async (_what, claims, header, named) => {
    await issuer.addKey('k1', 'ES256');
    await expect(
      verifierOf().verify(await issuer.sign('k1', { ...goodClaims(), ...claims }, header)),
    ).rejects.toMatchObject(refusedAs('TOKEN_INVALID', named));
  });
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

  test('a secret in the key set is no key', async () => {
    issuer.published = [{ kty: 'oct', kid: 'k1', k: Buffer.from(secret).toString('base64url'), alg: 'HS256' }];
    await expect(verifierOf().verify(withHmac(secret, { alg: 'HS256', kid: 'k1' }))).rejects.toMatchObject({
      code: 'TOKEN_INVALID',
    });
    issuer.published = [{ kty: 'oct', kid: 'k1', k: Buffer.from(secret).toString('base64url') }];
    await expect(verifierOf().verify(withHmac(secret, { alg: 'RS256', kid: 'k1' }))).rejects.toMatchObject({
      code: 'TOKEN_INVALID',
    });
  });

  test('a key whose type, curve, use or algorithm does not fit is not taken', async () => {
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

  test('keys that the token itself brings do not count', async () => {
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

  test('a signature by another key than the one it names is refused', async () => {
    await issuer.addKey('k1', 'EdDSA');
    const { privateKey } = generateKeyPairSync('ed25519');
    const token = await new SignJWT(goodClaims()).setProtectedHeader({ alg: 'EdDSA', kid: 'k1' }).sign(privateKey);
    await expect(verifierOf().verify(token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });

  test('an RSA key below 2,048 bits verifies nothing', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    issuer.published = [{ ...(await exportJWK(publicKey)), kid: 'weak' }];
    const input = `${b64({ alg: 'RS256', kid: 'weak' })}.${b64(goodClaims())}`;
    const token = `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
    await expect(verifierOf().verify(token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });

  test('without a key id, one key that fits is taken, and of several none', async () => {
    await issuer.addKey('k1', 'ES256');
    const token = await issuer.sign('k1', goodClaims(), { kid: undefined });
    await expect(verifierOf().verify(token)).resolves.toMatchObject({ sub: 'ada' });
    await issuer.addKey('k2', 'ES256');
    await expect(verifierOf().verify(token)).rejects.toMatchObject(refusedAs('TOKEN_INVALID', 'kid'));
  });
});

describe('rotation', () => {
  test('a new key is found, and a withdrawn one ends with the next fetch', async () => {
    await issuer.addKey('old', 'ES256');
    const verifier = verifierOf();
    await verifier.verify(await issuer.sign('old'));
    await issuer.addKey('new', 'EdDSA');
    clock += 10_000;
    await expect(verifier.verify(await issuer.sign('new'))).resolves.toMatchObject({ sub: 'ada' });
    expect(issuer.fetches).toBe(2);
    issuer.withdraw('old');
    await expect(verifier.verify(await issuer.sign('old'))).resolves.toMatchObject({ sub: 'ada' });
    clock += 300_000;
    await expect(verifier.verify(await issuer.sign('old'))).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    await expect(verifier.verify(await issuer.sign('new'))).resolves.toMatchObject({ sub: 'ada' });
    expect(issuer.fetches).toBe(3);
  });

  test('a flood of unknown key ids causes one fetch in a pause', async () => {
    await issuer.addKey('k1', 'ES256');
    const verifier = verifierOf();
    const flood = async () => {
      const tokens = await Promise.all(
        Array.from({ length: 200 }, (_, index) => issuer.sign('k1', goodClaims(), { kid: `made-up-${index}` })),
      );
      const outcomes = await Promise.allSettled(tokens.map((token) => verifier.verify(token)));
      expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    };
    await flood();
    await flood();
    expect(issuer.fetches).toBe(1);
    clock += 10_000;
    await flood();
    expect(issuer.fetches).toBe(2);
    await expect(verifier.verify(await issuer.sign('k1'))).resolves.toMatchObject({ sub: 'ada' });
  });
});

describe('an issuer that is out of reach', () => {
  test('leaves the keys at hand working for an hour, then nobody gets in until it is back', async () => {
    await issuer.addKey('k1', 'RS256');
    const verifier = verifierOf();
    await verifier.verify(await issuer.sign('k1'));
    await issuer.stop();
    await expect(verifier.verify(await issuer.sign('k1', goodClaims(), { kid: 'k2' }))).rejects.toMatchObject({
      code: 'TOKEN_INVALID',
    });
    clock += 600_000;
    await expect(verifier.verify(await issuer.sign('k1'))).resolves.toMatchObject({ sub: 'ada' });
    await expect(verifier.verify(await issuer.sign('k1', goodClaims(), { kid: 'k2' }))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    clock += 3_000_000;
    await expect(verifier.verify(await issuer.sign('k1'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await issuer.start();
    clock += 2_000;
    await expect(verifier.verify(await issuer.sign('k1'))).resolves.toMatchObject({ sub: 'ada' });
  });

  test('answers UNAVAILABLE, asks again after a pause, and is not needed for tokens of our own', async () => {
    await issuer.addKey('k1', 'RS256');
    await issuer.stop();
    const verifier = verifierOf({ secret });
    const token = await issuer.sign('k1');
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const own = new TokenIssuer({ secret, issuer: 'flotilla', audience: 'flotilla' });
    const { token: ours } = await own.issue({ userId: 'bob', grants: [], ttlSeconds: 60 });
    await expect(verifier.verify(ours)).resolves.toMatchObject({ sub: 'bob' });
    await issuer.start();
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(issuer.fetches).toBe(0);
    clock += 2_000;
    await expect(verifier.verify(token)).resolves.toMatchObject({ sub: 'ada' });
  });

  const bad: [string, Issuer['answer']][] = [
    ['does not answer within the deadline', 'nothing'],
    ['answers 500', { status: 500, body: '{"keys":[]}' }],
    ['redirects', { status: 302, body: '' }],
    ['sends no JSON', { status: 200, body: '<html>' }],
    ['sends no key set', { status: 200, body: '{"keys":{}}' }],
    ['sends too much', { status: 200, body: JSON.stringify({ keys: [], pad: 'x'.repeat(300_000) }) }],
  ];
  test.each(bad)('or that %s counts as unavailable, and is asked once', async (_what, answer) => {
    await issuer.addKey('k1', 'ES256');
    issuer.answer = answer;
    const verifier = verifierOf();
    const token = await issuer.sign('k1');
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => verifier.verify(token)));
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE' } });
    expect(issuer.fetches).toBe(1);
  });
});
