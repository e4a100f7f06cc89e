import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { controlPlaneParts } from '../src/control-plane.ts';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const run = promisify(execFile);

describe('the command line of the cluster', () => {
  test('--help lists every fault', async () => {
    const { stdout } = await run(process.execPath, [main, '--help']);
    for (const fault of ['power-off', 'power-on', 'cut', 'heal', 'stop-kubelet', 'start-kubelet', 'kill', 'start'])
      expect(stdout).toContain(fault);
    for (const part of controlPlaneParts) expect(stdout).toContain(part);
  });

  test.for([
    [['explode'], '"explode" is not a command'],
    [['toString'], '"toString" is not a command'],
    [['--nodes', '9'], '--nodes takes a whole number from 1 to 5, not "9"'],
    [['--nodse', '2'], "Unknown option '--nodse'"],
  ] as const)('%j is refused with exit code 2 and a reason', async ([args, reason]) => {
    await expect(run(process.execPath, [main, ...args])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining(reason) as string,
    });
  });
});
