import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { TokenIssuer, type TokenSettings, TokenVerifier } from '../src/index.ts';
import { goodClaims, Issuer, now } from './issuer.ts';

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

  test('is accepted beside tokens of the registry', async () => {
    await issuer.addKey('k1', 'ES256');
    const verifier = verifierOf({ secret });
    const own = new TokenIssuer({ secret, issuer: 'flotilla', audience: 'flotilla' });
    const { token } = await own.issue({ userId: 'bob', bridge: ['other'], grants: ['broadcast'], ttlSeconds: 60 });
    expect(await verifier.verify(token)).toMatchObject({ sub: 'bob', bridge: ['other'], grants: ['broadcast'] });
    expect(await verifier.verify(token)).not.toHaveProperty('room');
    await expect(verifier.verify(await issuer.sign('k1'))).resolves.toMatchObject({ sub: 'ada' });
  });

  test('by an algorithm that is not allowed is refused without a fetch of keys', async () => {
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

describe('rotation', () => {
  test('a new key is fetched, and a withdrawn one is refused after the next fetch', async () => {
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

  test('keys are fetched again before they are too old, while the known ones serve', async () => {
    await issuer.addKey('old', 'ES256');
    const verifier = verifierOf();
    await verifier.verify(await issuer.sign('old'));
    issuer.withdraw('old');
    clock += 240_000;
    await expect(verifier.verify(await issuer.sign('old'))).resolves.toMatchObject({ sub: 'ada' });
    await vi.waitFor(() => expect(issuer.fetches).toBe(2));
    await expect(verifier.verify(await issuer.sign('old'))).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });

  test('many unknown key ids cause one fetch per cooldown', async () => {
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

describe('an unreachable issuer', () => {
  test('leaves cached keys valid for an hour, then all tokens are refused until it is reachable', async () => {
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

  test('gives UNAVAILABLE, is retried after the cooldown, and does not affect tokens of the registry', async () => {
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
  test.each(bad)('or one that %s gives UNAVAILABLE after one attempt', async (_what, answer) => {
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
