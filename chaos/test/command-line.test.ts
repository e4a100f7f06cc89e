import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { readCommandLine } from '../src/command-line.ts';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const run = promisify(execFile);
const names = ['kill-sfu'];

describe('the command line', () => {
  test('runs on a fleet of its own unless told otherwise', () => {
    expect(readCommandLine(['kill-sfu'], names)).toMatchObject({ name: 'kill-sfu', where: { kind: 'fleet' } });
    expect(readCommandLine(['kill-sfu', '--cluster'], names)).toMatchObject({ where: { kind: 'cluster' } });
    expect(readCommandLine(['kill-sfu', '--context', 'staging', '--minutes', '0.5'], names)).toMatchObject({
      where: { kind: 'context', context: 'staging' },
      minutes: 0.5,
    });
  });

  test.for([
    [[], 'name an experiment'],
    [['kill-everything'], 'there is no experiment "kill-everything"'],
    [['kill-sfu', 'kill-sfu'], 'one experiment at a time'],
    [['kill-sfu', '--fleet', '--cluster'], 'choose one of --fleet, --cluster'],
    [['kill-sfu', '--minutes', 'long'], 'not "long"'],
    [['kill-sfu', '--minutes', '0'], 'a number from 0.1 to 120'],
    [['kill-sfu', '--gateway', 'http://a'], '--gateway goes with --context only'],
    [['kill-sfu', '--speed'], "Unknown option '--speed'"],
  ] as const)('%j is refused', ([args, reason]) => {
    expect(() => readCommandLine(args, names)).toThrow(reason);
  });
});

describe('npm run chaos', () => {
  test('--help prints the options, and list the experiments with the drivers that refuse them', async () => {
    expect((await run(process.execPath, [main, '--help'])).stdout).toContain('--context NAME');
    const { stdout } = await run(process.execPath, [main, 'list']);
    expect(stdout).toMatch(/^delay-registry +NetworkChaos, 5m$/m);
    expect(stdout).toMatch(/^clock-gateway +TimeChaos, 1m; not by: fleet, cluster$/m);
  });

  test.for([
    ['clock-gateway', 'Use --context NAME with Chaos Mesh'],
    ['loss-sfu', 'Use --cluster'],
    ['kill-gateway', 'Add --browser'],
  ] as const)(
    '%s on a fleet is refused with exit code 3, the reason and what to use instead',
    async ([name, reason]) => {
      await expect(run(process.execPath, [main, name])).rejects.toMatchObject({
        code: 3,
        stderr: expect.stringMatching(new RegExp(`^Refused: .*${reason}`)) as string,
      });
    },
  );
});
