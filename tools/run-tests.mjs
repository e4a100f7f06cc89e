// The checks and tests of `npm test`, run by the packaged Node once the set-up is done. Arguments: the tiers to run, and `--short-cluster`.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { startBrokers } from '@flotilla/processes';
import { childEnv } from './setup/dependencies.mjs';
import { kubernetesProblem, missingPrograms } from './setup/kubernetes.mjs';
import { namespaceProblem } from './setup/network-namespace.mjs';
import { bold, green, red, root, run, runMain, seconds } from './setup/steps.mjs';
import { workspaceChecks } from './workspace-checks.mjs';

/** @typedef {{ dir: string, name: string }} Project */

/**
 * Why a tier cannot run on this machine, or undefined.
 * @type {Record<string, () => string | undefined>}
 */
const problems = { firefox: namespaceProblem, cluster: kubernetesProblem };

const nx = join(root, 'node_modules', 'nx', 'dist', 'bin', 'nx.js');

/** How many failures are listed at the end of a run. */
const maxListed = 50;

class Tally {
  passed = 0;
  failed = 0;
  notRun = 0;
  /** What failed, a line each. @type {string[]} */
  failures = [];

  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.began = performance.now();
  }

  /** @param {string} what @param {number} passed @param {number} failed @param {number} [notRun] */
  add(what, passed, failed, notRun = 0) {
    this.passed += passed;
    this.failed += failed;
    this.notRun += notRun;
    const counts = `${passed} passed${failed > 0 ? red(`, ${failed} failed`) : ''}${notRun > 0 ? `, ${notRun} not run` : ''}`;
    console.log(`  ${failed === 0 ? green('✓') : red('✗')} ${what}: ${counts}`);
  }

  end() {
    const notRun = this.notRun > 0 ? `, ${this.notRun} not run (${missingPrograms()})` : '';
    this.summary = `${this.name}: ${this.passed} passed, ${this.failed} failed${notRun} in ${seconds(this.began)}`;
    console.log(bold(this.summary));
  }
}

/**
 * The projects with an Nx target.
 * @param {string} target
 * @returns {Project[]}
 */
function projectsWith(target) {
  const inGroups = ['libs', 'services', 'deploy', 'loadtest'].flatMap((group) =>
    readdirSync(join(root, group)).map((folder) => join(group, folder)),
  );
  return [...inGroups, 'chaos'].flatMap((folder) =>
    [{ dir: join(root, folder), manifest: join(root, folder, 'package.json') }]
      .filter(({ manifest }) => existsSync(manifest))
      .map(({ dir, manifest }) => ({ dir, ...JSON.parse(readFileSync(manifest, 'utf8')) }))
      .filter(({ scripts }) => scripts?.[target]),
  );
}

/**
 * Counts the results that a project's tests wrote. A skipped test counts as failed unless the machine lacks programs, and so does a
 * file without a failed test that failed: it did not load, or one of its hooks failed.
 * @param {Tally} tally
 * @param {Project} project
 */
function countResults(tally, { dir, name }) {
  const path = resultsOf(dir, tally.name);
  if (!existsSync(path)) {
    tally.failures.push(`${name} wrote no results`);
    return tally.add(`${name} wrote no results`, 0, 1);
  }
  const { numPassedTests, numTotalTests, numPendingTests, testResults } = JSON.parse(readFileSync(path, 'utf8'));
  const broken = testResults.filter(
    (/** @type {{ status: string, assertionResults: { status: string }[] }} */ { status, assertionResults }) =>
      status === 'failed' && assertionResults.every((each) => each.status !== 'failed'),
  );
  const notRun = missingPrograms() ? numPendingTests : 0;
  tally.failures.push(...failuresIn(testResults, dir).map((failure) => `${name}: ${failure}`));
  tally.add(name, numPassedTests, numTotalTests - numPassedTests - notRun + broken.length, notRun);
}

/** @typedef {{ status: string, fullName: string, failureMessages?: string[] }} Assertion */

/**
 * The tests and files that failed, each with the first line of its error.
 * @param {{ name: string, status: string, message: string, assertionResults: Assertion[] }[]} files
 * @param {string} dir
 */
function failuresIn(files, dir) {
  return files.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((each) => each.status === 'failed');
    const file = relative(dir, name);
    if (status === 'failed' && failed.length === 0) return [`${file}: ${firstLine(message)}`];
    return failed.map(
      ({ fullName, failureMessages }) => `${file} > ${fullName.trim()}: ${firstLine(failureMessages?.[0] ?? '')}`,
    );
  });
}

/** @param {string} text */
const firstLine = (text) => stripVTControlCharacters(text).trim().split('\n', 1)[0];

/** @param {string} dir @param {string} tier */
const resultsOf = (dir, tier) => join(dir, '.results', `${tier}.json`);

/** @param {readonly string[]} args @param {Record<string, string>} [env] */
function nxRun(args, env = {}) {
  return run(process.execPath, [nx, 'run-many', '--outputStyle=static', '--nxBail=false', ...args], {
    env: childEnv(env),
    show: true,
  });
}

async function checks() {
  console.log(bold('\nWorkspace, lint and types'));
  const tally = new Tally('checks');
  for (const { name, check } of workspaceChecks) {
    const problem = await check();
    if (problem) {
      console.log(problem);
      tally.failures.push(`${name}: ${firstLine(problem)}`);
    }
    tally.add(name, problem ? 0 : 1, problem ? 1 : 0);
  }
  const lint = await nxRun(['-t', 'lint', '--parallel=2']);
  for (const { name } of projectsWith('lint')) {
    const failed = new RegExp(`✖\\s+(nx run )?${name}:lint|- ${name}:lint`).test(lint.output);
    if (failed) tally.failures.push(`${name}: npm run lint`);
    tally.add(`${name} lint`, failed ? 0 : 1, failed ? 1 : 0);
  }
  if (lint.code !== 0 && tally.failed === 0) tally.add('lint', 0, 1);
  tally.end();
  return tally;
}

/** @param {string} tier @param {Record<string, string>} env @param {boolean} shortCluster the tests of `npm run test:cluster -- --short` only */
async function runTier(tier, env, shortCluster) {
  console.log(bold(`\nTests: ${tier}`));
  const tally = new Tally(tier);
  const projects = projectsWith(tier);
  for (const { dir } of projects) rmSync(resultsOf(dir, tier), { force: true });
  // Browsers and fleets need the machine for themselves.
  const parallel = tier === 'test' || tier === 'integration' ? 2 : 1;
  const clusterArgs = shortCluster ? ['--short'] : [];
  if (tier === 'cluster')
    await run(process.execPath, [join(root, 'tools', 'test-cluster.mjs'), ...clusterArgs], { show: true });
  else await nxRun(['-t', tier, `--parallel=${parallel}`], env);
  for (const project of projects) countResults(tally, project);
  tally.end();
  return tally;
}

await runMain(async () => {
  const began = performance.now();
  const tallies = [await checks()];
  /** @type {string[]} */
  const skipped = [];
  const brokers = await startBrokers();
  try {
    const options = process.argv.slice(2);
    for (const tier of options.filter((each) => each !== '--short-cluster')) {
      const problem = problems[tier]?.();
      if (problem) skipped.push(`${tier}: skipped. ${problem}`);
      else
        tallies.push(
          await runTier(
            tier,
            { REDIS_URL: brokers.redisUrl, AMQP_URL: brokers.amqpUrl },
            options.includes('--short-cluster'),
          ),
        );
    }
  } finally {
    await brokers.stop();
  }
  /** @param {'passed' | 'failed'} which */
  const sum = (which) => tallies.reduce((total, tally) => total + tally[which], 0);
  const failures = tallies.flatMap((tally) => tally.failures.map((failure) => `${red('✗')} ${tally.name}, ${failure}`));
  if (failures.length > 0) console.log(`\nFailed:\n${failures.slice(0, maxListed).join('\n')}`);
  console.log(`\n${[...tallies.map(({ summary }) => summary), ...skipped].join('\n')}\nall in ${seconds(began)}`);
  console.log(`tests: ${sum('passed')} passed, ${sum('failed')} failed`);
  return sum('failed') === 0 ? 0 : 1;
});
