import { ConfigError, loadConfig } from '@flotilla/runtime';
import { expect, test } from 'vitest';
import { autoscalerConfig } from '../src/config.ts';

const brokers = { REDIS_URL: 'redis://redis:6379', AMQP_URL: 'amqp://rabbitmq:5672' };

test('the configuration refuses a minimum of SFU nodes above the maximum, and accepts an equal one', () => {
  const load = (min: string) =>
    loadConfig(autoscalerConfig, { ...brokers, FLOTILLA_SCALE_MIN: min, FLOTILLA_SCALE_MAX: '4' });
  expect(load('4').FLOTILLA_SCALE_MIN).toBe(4);
  expect(() => load('5')).toThrow(ConfigError);
  expect(() => load('5')).toThrow(/FLOTILLA_SCALE_MIN.*5 is above FLOTILLA_SCALE_MAX, which is 4/);
});
