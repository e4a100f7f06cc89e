import { brokerConfig, ConfigError, loadConfig } from '@flotilla/runtime';
import { testParser } from '@flotilla/testkit/fuzz';
import { expect } from 'vitest';
import { redisOptions } from '../src/events/redis-address.ts';
import { rabbitMqNodes } from '../src/index.ts';

/** The setting's value, undefined when it is refused with a ConfigError, which names it. */
function setting(name: 'REDIS_URL' | 'AMQP_URL', text: string): string | undefined {
  try {
    return loadConfig(brokerConfig, { [name]: text })[name];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.message).toContain(name);
    return undefined;
  }
}

const words = [
  ...[
    'redis://',
    'rediss://',
    'redis+sentinel://',
    'amqp://',
    'amqps://',
    '[::1]',
    ':6379',
    '@',
    '/',
    '?',
    '#',
    '%',
    '%40',
  ],
  ...['?heartbeat=', '?sentinelPassword=', 'user:password@', ','],
];
const common = { outcomes: ['accepted', 'refused'], maxBytes: 1024, words };

testParser('REDIS_URL', new URL('corpus/redis-url/', import.meta.url), {
  ...common,
  outcomeOf: (input) => {
    const url = setting('REDIS_URL', input.toString());
    if (url === undefined) return 'refused';
    const { host, port, sentinels, db } = redisOptions({ url });
    for (const server of sentinels ?? [{ host, port }]) {
      expect(server.host).toMatch(/^[^[\]@/?#]+$/);
      expect(server.port).toBeGreaterThanOrEqual(0);
      expect(server.port).toBeLessThanOrEqual(65_535);
    }
    expect(db).toBeGreaterThanOrEqual(0);
    return 'accepted';
  },
});

testParser('AMQP_URL', new URL('corpus/amqp-url/', import.meta.url), {
  ...common,
  outcomeOf: (input) => {
    const url = setting('AMQP_URL', input.toString());
    if (url === undefined) return 'refused';
    const nodes = rabbitMqNodes({ url });
    expect(nodes.length).toBeGreaterThan(0);
    for (const { connect } of nodes) {
      expect(connect.hostname).toMatch(/^[^[\]@/?#]+$/);
      expect(connect.port).toBeLessThanOrEqual(65_535);
      expect(decodeURIComponent(connect.vhost!)).not.toBe('');
    }
    return 'accepted';
  },
});
