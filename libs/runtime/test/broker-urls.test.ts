import { describe, expect, test } from 'vitest';
import { parseRabbitMqUrl, parseSentinelUrl } from '../src/index.ts';
import { rabbitMqUrl, redisUrl } from '../src/broker-urls.ts';

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

describe('the URL of RabbitMQ', () => {
  test('names the nodes of a cluster, the credentials, the virtual host and the heartbeat', () => {
    expect(parseRabbitMqUrl('amqps://ada:p%40ss:word@one:5673,[::1],10.0.0.3/calls%2Fprod?heartbeat=10')).toEqual({
      tls: true,
      nodes: [
        { host: 'one', port: 5673 },
        { host: '::1', port: 5671 },
        { host: '10.0.0.3', port: 5671 },
      ],
      username: 'ada',
      password: 'p@ss:word',
      virtualHost: 'calls/prod',
      heartbeat: 10,
    });
  });

  test.each(['amqp://one', 'amqp://one:5672/', 'amqp://one:5672/?heartbeat=0'])('%s is of the user guest', (text) => {
    expect(parseRabbitMqUrl(text)).toMatchObject({
      nodes: [{ host: 'one', port: 5672 }],
      username: 'guest',
      password: 'guest',
      virtualHost: '/',
    });
  });

  test.each([
    'amqp://',
    'amqp:///calls',
    'amqp://one:port',
    'amqp://one,/calls',
    'amqp://one/a/b',
    'amqp://one?heartbeat=soon',
    'http://one',
    'one:5672',
  ])('%s is refused', (text) => {
    expect(rabbitMqUrl().safeParse(text).success).toBe(false);
  });
});
