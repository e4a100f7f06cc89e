import { ConfigError, loadConfig } from '@flotilla/runtime';
import { describe, expect, test } from 'vitest';
import { clientTimeConfig, tokenConfig, TokenIssuer, tokenSettings } from '../src/index.ts';

const secret = 's'.repeat(32);
const jwks = 'https://id.example.com/jwks.json';
const load = (env: Record<string, string>) => tokenSettings(loadConfig(tokenConfig, env));

describe('token settings', () => {
  test('allow by default what there are keys for', () => {
    expect(load({ FLOTILLA_TOKEN_SECRET: secret }).algorithms).toEqual(['HS256']);
    expect(load({ FLOTILLA_TOKEN_JWKS_URL: jwks }).algorithms).toEqual(['RS256', 'ES256', 'EdDSA']);
    expect(load({ FLOTILLA_TOKEN_SECRET: secret, FLOTILLA_TOKEN_JWKS_URL: jwks }).algorithms).toEqual([
      'HS256',
      'RS256',
      'ES256',
      'EdDSA',
    ]);
    expect(load({ FLOTILLA_TOKEN_JWKS_URL: jwks, FLOTILLA_TOKEN_ALGORITHMS: 'PS256, ES256' }).algorithms).toEqual([
      'PS256',
      'ES256',
    ]);
  });

  const refused: [string, Record<string, string>, RegExp][] = [
    ['no key at all', {}, /^FLOTILLA_TOKEN_SECRET or FLOTILLA_TOKEN_JWKS_URL is required/],
    ['a short secret', { FLOTILLA_TOKEN_SECRET: 'short' }, /FLOTILLA_TOKEN_SECRET: at least 32 characters/],
    ['an algorithm there is not', { FLOTILLA_TOKEN_ALGORITHMS: 'HS256,none' }, /FLOTILLA_TOKEN_ALGORITHMS: a list of/],
    ['keys over plain HTTP', { FLOTILLA_TOKEN_JWKS_URL: 'http://id.example.com/' }, /FLOTILLA_TOKEN_JWKS_URL: https:/],
    ['keys from a file', { FLOTILLA_TOKEN_JWKS_URL: 'file:///jwks' }, /FLOTILLA_TOKEN_JWKS_URL: an https: URL/],
    ['no URL', { FLOTILLA_TOKEN_JWKS_URL: 'id' }, /FLOTILLA_TOKEN_JWKS_URL: an https: URL/],
    [
      'HS256 without a secret',
      { FLOTILLA_TOKEN_JWKS_URL: jwks, FLOTILLA_TOKEN_ALGORITHMS: 'HS256,RS256' },
      /HS256, which needs FLOTILLA_TOKEN_SECRET$/,
    ],
    [
      'public keys without a URL',
      { FLOTILLA_TOKEN_SECRET: secret, FLOTILLA_TOKEN_ALGORITHMS: 'RS256' },
      /must allow HS256 .*, and allows public keys, which need FLOTILLA_TOKEN_JWKS_URL$/,
    ],
    [
      'a URL that nothing uses',
      { FLOTILLA_TOKEN_SECRET: secret, FLOTILLA_TOKEN_JWKS_URL: jwks, FLOTILLA_TOKEN_ALGORITHMS: 'HS256' },
      /must allow more than HS256 while FLOTILLA_TOKEN_JWKS_URL is set$/,
    ],
  ];
  test.each(refused)('with %s are refused', (_what, env, message) => {
    expect(() => load(env)).toThrow(ConfigError);
    expect(() => load(env)).toThrow(message);
  });

  test('keys may come over plain HTTP from this machine', () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]'])
      expect(load({ FLOTILLA_TOKEN_JWKS_URL: `http://${host}:1/` }).jwks).toEqual({ url: `http://${host}:1/` });
  });

  test('without a secret issue no tokens, and say so', async () => {
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
