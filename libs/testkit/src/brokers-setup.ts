/** A vitest `globalSetup`: starts brokers for the test files of a project, which get them from `testBrokers`. */
import { startBrokers } from '@flotilla/processes';
import type { TestProject } from 'vitest/node';
import './provided-context.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const brokers = await startBrokers();
  project.provide('redisUrl', brokers.redisUrl);
  project.provide('amqpUrl', brokers.amqpUrl);
  return () => brokers.stop();
}
