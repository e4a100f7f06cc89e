// The vitest configuration that every project shares.
import { defineConfig } from 'vitest/config';
import { workerPath } from './setup/worker.mjs';

/** `brokers`: the tests need Redis and RabbitMQ. `browser`: they drive Chromium, one file at a time. */
export function testConfig({ brokers = false, browser = false, include = ['test/**/*.test.ts'] } = {}) {
  return defineConfig({
    test: {
      include,
      env: { MEDIASOUP_WORKER_BIN: workerPath() },
      globalSetup: brokers ? ['@flotilla/testkit/brokers-setup'] : [],
      reporters: ['default', 'json'],
      outputFile: { json: '.results/tests.json' },
      testTimeout: browser ? 90_000 : 20_000,
      hookTimeout: browser ? 120_000 : 60_000,
      fileParallelism: !browser,
      passWithNoTests: false,
    },
  });
}
