// The vitest configuration of every project. A file's name says its tier, and vitest's mode selects the tier to run.
import { defineConfig } from 'vitest/config';
import { helmPath } from './setup/helm.mjs';
import { kubernetesPrograms } from './setup/kubernetes.mjs';
import { pythonPath } from './setup/python.mjs';
import { workerPath } from './setup/worker.mjs';

const inParallel = { fileParallelism: true, testTimeout: 60_000, hookTimeout: 60_000 };
/** One process for all files of a project, one file at a time: they share the topologies, which take long to start. */
const oneByOne = { fileParallelism: false, isolate: false, testTimeout: 90_000, hookTimeout: 120_000 };
const brokers = { globalSetup: ['@flotilla/testkit/brokers-setup'] };

/**
 * The tiers, and how their files run. `vitest run` without a mode runs `test`.
 * @type {Record<string, import('vitest/config').TestUserConfig>}
 */
const tiers = {
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/*.{integration,e2e,firefox,soak,nightly,cluster}.test.ts'],
    ...inParallel,
    // With a process per file, imports would take half of the time.
    isolate: false,
    testTimeout: 60_000,
  },
  integration: { include: ['test/**/*.integration.test.ts'], ...brokers, ...inParallel },
  e2e: { include: ['test/**/*.e2e.test.ts'], ...oneByOne },
  firefox: { include: ['test/**/*.firefox.test.ts'], ...oneByOne },
  soak: { include: ['test/**/*.soak.test.ts'], ...oneByOne },
  nightly: { include: ['test/**/*.nightly.test.ts'], ...oneByOne },
  /** Run by `npm run test:cluster` on a machine outside the cluster that it started. */
  cluster: { include: ['test/**/*.cluster.test.ts'], ...oneByOne, testTimeout: 300_000, hookTimeout: 300_000 },
};

export const testConfig = defineConfig(({ mode }) => ({
  test: {
    ...tiers[mode],
    env: {
      MEDIASOUP_WORKER_BIN: workerPath(),
      BOT_PYTHON: pythonPath('bot'),
      TOOLS_PYTHON: pythonPath('tools'),
      HELM_BIN: helmPath(),
      CLUSTER_PROGRAMS: kubernetesPrograms(),
    },
    reporters: ['default', 'json'],
    outputFile: { json: `.results/${mode}.json` },
    passWithNoTests: false,
  },
}));
