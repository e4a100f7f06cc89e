import { ConfigError, loadConfig } from '@flotilla/runtime';
import { describe, expect, test } from 'vitest';
import { checkTokens, clientTimeConfig, tokenConfig, TokenIssuer, tokenSettings, TokenVerifier } from '../src/index.ts';
import { allowedAlgorithms } from '../src/token-settings.ts';

const secret = 's'.repeat(32);
const jwks = 'https://id.example.com/jwks.json';
const load = (env: Record<string, string>) => tokenSettings(loadConfig(tokenConfig.superRefine(checkTokens), env));
const algorithmsOf = (env: Record<string, string>) => allowedAlgorithms(load(env));

describe('token settings', () => {
  test('allow by default the algorithms that have a key', () => {
    expect(algorithmsOf({ FLOTILLA_TOKEN_SECRET: secret })).toEqual(['HS256']);
    expect(algorithmsOf({ FLOTILLA_TOKEN_JWKS_URL: jwks })).toEqual(['RS256', 'ES256', 'EdDSA']);
    expect(algorithmsOf({ FLOTILLA_TOKEN_SECRET: secret, FLOTILLA_TOKEN_JWKS_URL: jwks })).toEqual([
      'HS256',
      'RS256',
      'ES256',
      'EdDSA',
    ]);
    expect(algorithmsOf({ FLOTILLA_TOKEN_JWKS_URL: jwks, FLOTILLA_TOKEN_ALGORITHMS: 'PS256, ES256' })).toEqual([
      'PS256',
      'ES256',
    ]);
  });

  const refused: [string, Record<string, string>, RegExp][] = [
    ['no key at all', {}, /FLOTILLA_TOKEN_SECRET is required: this or FLOTILLA_TOKEN_JWKS_URL/],
    ['a short secret', { FLOTILLA_TOKEN_SECRET: 'short' }, /FLOTILLA_TOKEN_SECRET: at least 32 characters/],
    ['an algorithm there is not', { FLOTILLA_TOKEN_ALGORITHMS: 'HS256,none' }, /FLOTILLA_TOKEN_ALGORITHMS: a list of/],
    ['keys over plain HTTP', { FLOTILLA_TOKEN_JWKS_URL: 'http://id.example.com/' }, /FLOTILLA_TOKEN_JWKS_URL: https:/],
    ['keys from a file', { FLOTILLA_TOKEN_JWKS_URL: 'file:///jwks' }, /FLOTILLA_TOKEN_JWKS_URL: an https: URL/],
    ['no URL', { FLOTILLA_TOKEN_JWKS_URL: 'id' }, /FLOTILLA_TOKEN_JWKS_URL: an https: URL/],
    [
      'HS256 without a secret',
      { FLOTILLA_TOKEN_JWKS_URL: jwks, FLOTILLA_TOKEN_ALGORITHMS: 'HS256,RS256' },
      /FLOTILLA_TOKEN_SECRET is required: FLOTILLA_TOKEN_ALGORITHMS has HS256$/,
    ],
    [
      'public keys without a URL',
      { FLOTILLA_TOKEN_SECRET: secret, FLOTILLA_TOKEN_ALGORITHMS: 'RS256' },
      /FLOTILLA_TOKEN_JWKS_URL is required: .*\n.*_ALGORITHMS: must have HS256 while FLOTILLA_TOKEN_SECRET is set$/,
    ],
    [
      'a URL that nothing uses',
      { FLOTILLA_TOKEN_SECRET: secret, FLOTILLA_TOKEN_JWKS_URL: jwks, FLOTILLA_TOKEN_ALGORITHMS: 'HS256' },
      /FLOTILLA_TOKEN_ALGORITHMS: must have more than HS256 while FLOTILLA_TOKEN_JWKS_URL is set$/,
    ],
  ];
  test.each(refused)('with %s are refused', (_what, env, message) => {
    expect(() => load(env)).toThrow(ConfigError);
    expect(() => load(env)).toThrow(message);
  });

  test('that are inconsistent are refused by TokenVerifier', () => {
    const none = { issuer: 'flotilla', audience: 'flotilla' };
    expect(() => new TokenVerifier(none)).toThrow(ConfigError);
    expect(() => new TokenVerifier({ ...none, secret, algorithms: [] })).toThrow(/must have HS256/);
  });

  test('allow keys over plain HTTP from loopback', () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]'])
      expect(load({ FLOTILLA_TOKEN_JWKS_URL: `http://${host}:1/` }).jwks).toEqual({ url: `http://${host}:1/` });
  });

  test('without a secret make issuing fail with a reason', async () => {
    const issuer = new TokenIssuer(load({ FLOTILLA_TOKEN_JWKS_URL: jwks }));
    await expect(issuer.issue({ userId: 'ada', grants: [], ttlSeconds: 60 })).rejects.toMatchObject({
      code: 'TOKENS_NOT_ISSUED',
    });
  });
});

test('the client time is not required unless that is set', () => {
  expect(loadConfig(clientTimeConfig, {})).toEqual({ FLOTILLA_REQUIRE_CLIENT_TIME: false });
  expect(loadConfig(clientTimeConfig, { FLOTILLA_REQUIRE_CLIENT_TIME: 'true' })).toEqual({
    FLOTILLA_REQUIRE_CLIENT_TIME: true,
  });
});
