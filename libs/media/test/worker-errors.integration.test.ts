import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { notYet, waitFor } from '@flotilla/testkit';
import type { Logger } from '@flotilla/runtime';
import { expect, onTestFinished, test } from 'vitest';

test('the error message of a media worker that aborts is logged', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-worker-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const program = join(directory, 'worker');
  writeFileSync(program, "#!/bin/sh\necho '(ABORT) libsoftokn3.so cannot be loaded' >&2\nkill -ABRT $$\n");
  chmodSync(program, 0o755);
  // Read when mediasoup is imported.
  process.env['MEDIASOUP_WORKER_BIN'] = program;
  const { WorkerPool } = await import('../src/worker-pool.ts');

  const logged: unknown[] = [];
  const log = { error: (...entry: unknown[]) => logged.push(entry) } as unknown as Logger;
  const listen = { ips: ['127.0.0.1'], portBase: 0 };
  const starting = WorkerPool.start({ workers: 1, listen, log, onDied: () => undefined });
  await expect(starting).rejects.toThrow(/SIGABRT/);
  await waitFor('the reason', () => logged.length > 0 || notYet('nothing was logged'));
  expect(logged).toEqual([[{ line: '(ABORT) libsoftokn3.so cannot be loaded' }, 'media worker reported an error']]);
});
