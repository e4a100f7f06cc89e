import { inject } from 'vitest';
import './provided-context.ts';

/** In a test: the brokers of its run, started by the project's `globalSetup`. */
export function testBrokers(): { redisUrl: string; amqpUrl: string } {
  return { redisUrl: inject('redisUrl'), amqpUrl: inject('amqpUrl') };
}
