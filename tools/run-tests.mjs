// The checks of `npm test`, run by our own Node once the set-up is done.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startBrokers } from '@flotilla/processes';
import { childEnv } from './setup/dependencies.mjs';
import { bold, green, red, root, run, seconds } from './setup/steps.mjs';
import { workspaceChecks } from './workspace-checks.mjs';

const fast = process.argv.includes('--fast');
const nx = join(root, 'node_modules', 'nx', 'dist', 'bin', 'nx.js');
const counts = { passed: 0, failed: 0 };

function record(name, ok) {
  counts[ok ? 'passed' : 'failed']++;
  console.log(`  ${ok ? green('✓') : red('✗')} ${name}`);
}

/** Projects with a target, and where they are. */
function projectsWith(target) {
  return ['libs', 'services', 'deploy', 'loadtest', '.']
    .flatMap((group) =>
      existsSync(join(root, group))
        ? readdirSync(join(root, group), { withFileTypes: true })
            .filter((entry) => entry.isDirectory() && existsSync(join(root, group, entry.name, 'package.json')))
            .map((entry) => join(root, group, entry.name))
        : [],
    )
    .filter((dir) => JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')).scripts?.[target])
    .map((dir) => ({ dir, name: JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')).name }));
}

/** Counts the tests a project's run wrote down. A skipped test counts as failed: nothing is skipped silently. */
function countResults({ dir, name }) {
  const path = join(dir, '.results', 'tests.json');
  if (!existsSync(path)) return record(`${name}: no results were written`, false);
  const { numPassedTests, numTotalTests, testResults } = JSON.parse(readFileSync(path, 'utf8'));
  counts.passed += numPassedTests;
  counts.failed += numTotalTests - numPassedTests;
  const broken = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  counts.failed += broken.length;
  const bad = numTotalTests - numPassedTests + broken.length;
  console.log(
    `  ${bad === 0 ? green('✓') : red('✗')} ${name}: ${numPassedTests} passed${bad > 0 ? red(`, ${bad} failed`) : ''}`,
  );
}

async function nxRun(args, env = {}) {
  return run(process.execPath, [nx, 'run-many', '--outputStyle=static', '--nxBail=false', ...args], {
    env: childEnv(env),
    show: true,
  });
}

const began = performance.now();
console.log(bold('\nWorkspace'));
for (const { name, check } of workspaceChecks) {
  const problem = await check();
  record(name, !problem);
  if (problem) console.log(problem);
}

console.log(bold('\nLint and types'));
const lint = await nxRun(['-t', 'lint', '--parallel=2']);
for (const { name } of projectsWith('lint'))
  record(`${name} lint`, !new RegExp(`✖\\s+(nx run )?${name}:lint|- ${name}:lint`).test(lint.output));
if (lint.code !== 0 && counts.failed === 0) record('lint', false);

console.log(bold('\nTests'));
const brokers = await startBrokers();
try {
  const all = projectsWith('test');
  const browsers = all.filter(({ name }) => name === '@flotilla/e2e' || name === '@flotilla/sfu-worker');
  const others = all.filter((project) => !browsers.includes(project));
  for (const { dir } of all) rmSync(join(dir, '.results'), { recursive: true, force: true });
  const env = { REDIS_URL: brokers.redisUrl, AMQP_URL: brokers.amqpUrl };
  const names = (projects) => projects.map(({ name }) => name).join(',');
  await nxRun(['-t', 'test', '-p', names(others), '--parallel=2'], env);
  // Browsers want the machine for themselves.
  if (!fast) await nxRun(['-t', 'test', '-p', names(browsers), '--parallel=1'], env);
  console.log(bold('\nResults'));
  for (const project of fast ? others : all) countResults(project);
} finally {
  await brokers.stop();
}

console.log(`\nin ${seconds(began)}`);
console.log(`tests: ${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 ? 0 : 1;
