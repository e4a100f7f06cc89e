import { describe, expect, test } from 'vitest';
import { parseSentinelUrl } from '../src/index.ts';
import { redisUrl } from '../src/broker-urls.ts';

describe('the URL of a Redis behind sentinels', () => {
  test('names the sentinels, the primary, the database and the credentials of both', () => {
    expect(
      parseSentinelUrl(
        'rediss+sentinel://ada:p%40ss:word@one:26380,[::1],10.0.0.3/fleet/2?sentinelUsername=watch&sentinelPassword=a%20b',
      ),
    ).toEqual({
      tls: true,
      sentinels: [
        { host: 'one', port: 26_380 },
        { host: '::1', port: 26_379 },
        { host: '10.0.0.3', port: 26_379 },
      ],
      name: 'fleet',
      database: 2,
      username: 'ada',
      password: 'p@ss:word',
      sentinelUsername: 'watch',
      sentinelPassword: 'a b',
    });
    expect(parseSentinelUrl('redis+sentinel://:secret@one/fleet')).toMatchObject({
      tls: false,
      username: undefined,
      password: 'secret',
    });
  });

  test.each([
    'redis+sentinel://one:26379',
    'redis+sentinel:///fleet',
    'redis+sentinel://one:port/fleet',
    'redis+sentinel://one,/fleet',
    'redis+sentinel://one/fleet/zero',
    'http://one',
    'one:6379',
  ])('%s is refused', (text) => {
    expect(redisUrl().safeParse(text).success).toBe(false);
  });
});
