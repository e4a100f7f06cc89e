import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { services } from '@flotilla/image';
import { describe, expect, test } from 'vitest';

const entry = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const run = promisify(execFile);

/** Runs the entry point to its end. */
async function flotilla(
  args: readonly string[],
  settings: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { PATH: process.env['PATH'], ...settings };
  try {
    return { code: 0, ...(await run(process.execPath, [entry, ...args], { env })) };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

describe('flotilla <service>', () => {
  test('--help lists every service', async () => {
    const { code, stdout } = await flotilla(['--help']);
    expect(code).toBe(0);
    for (const name of Object.keys(services)) expect(stdout).toContain(name);
  });

  test.for([[[]], [['gatway']], [['toString']], [['gateway', '--port=1']], [['check']], [['check', 'standalone']]])(
    'the arguments %j are refused with exit code 64',
    async ([args]) => {
      const { code, stderr } = await flotilla(args!);
      expect(code).toBe(64);
      expect(stderr).toContain('Services: gateway, registry');
    },
  );

  test('check names each setting that keeps a console from starting, with exit code 78', async () => {
    const { code, stdout } = await flotilla(['check', 'console'], {
      FLOTILLA_CONSOLE_PORT: '70000',
      FLOTILLA_CONSOLE_OPNE: 'true',
    });
    expect(code).toBe(78);
    expect(stdout).toMatch(
      /^FLOTILLA_CONSOLE_PORT: .+\nFLOTILLA_CONSOLE_OPNE .+did you mean FLOTILLA_CONSOLE_OPEN\?\n$/,
    );
  });

  test('check finds nothing wrong with a console that can start', async () => {
    const settings = { FLOTILLA_CONSOLE_PORT: '0', FLOTILLA_ADMIN_PORT: '0' };
    expect(await flotilla(['check', 'console'], settings)).toMatchObject({ code: 0, stdout: 'console can start\n' });
  });

  test('check takes the announced address of an SFU node from the file of an init container', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'flotilla-main-'));
    const file = join(directory, 'announced');
    try {
      writeFileSync(file, '0.0.0.0');
      const settings = { FLOTILLA_SFU_ANNOUNCED_ADDRESS_FILE: file, FLOTILLA_SFU_LISTEN_IPS: '127.0.0.1' };
      const { stdout } = await flotilla(['check', 'sfu-worker'], settings);
      expect(stdout).toMatch(/^FLOTILLA_SFU_ANNOUNCED_ADDRESS: .+$/m);
      expect(stdout).not.toContain('ADDRESS_FILE');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('a gateway runs in the process that was started, with its V8 flags', async () => {
    const env = { PATH: process.env['PATH'], FLOTILLA_TOKEN_SECRET: 'x'.repeat(32), REDIS_URL: 'redis://127.0.0.1:1' };
    const child = spawn(process.execPath, [entry, 'gateway'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      expect(line.toString()).toContain('"service":"signaling-gateway"');
      const commandLine = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0');
      expect(commandLine).toEqual([process.execPath, ...services.gateway.nodeFlags, services.gateway.main, '']);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
