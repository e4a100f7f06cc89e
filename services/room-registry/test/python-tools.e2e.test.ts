import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openApiDocument } from '../src/inbound/openapi.ts';
import { startRegistry } from './harness.ts';

const python = process.env['TOOLS_PYTHON']!;
const bin = dirname(python);
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}`, NO_COLOR: '1' };
const calls = fileURLToPath(new URL('./rest_calls.py', import.meta.url));

/** Runs a Python program in a folder with the document. Resolves to its output; rejects with it when it fails. */
async function run(program: string, args: readonly string[], timeoutMs = 60_000): Promise<string> {
  const options = { env, cwd: folderWithDocument(), timeout: timeoutMs };
  const { stdout } = await promisify(execFile)(join(bin, program), args, options).catch((error: unknown) => {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} failed:\n${stdout}\n${stderr}`, { cause: error });
  });
  return stdout;
}

let folder: string | undefined;
function folderWithDocument(): string {
  if (folder !== undefined) return folder;
  const made = (folder = mkdtempSync(join(tmpdir(), 'flotilla-openapi-')));
  writeFileSync(join(made, 'openapi.json'), JSON.stringify(openApiDocument()));
  onTestFinished(() => {
    rmSync(made, { recursive: true });
    folder = undefined;
  });
  return made;
}

describe('the OpenAPI document, by tools of others', () => {
  test('openapi-spec-validator accepts it', async () => {
    expect(await run('openapi-spec-validator', ['openapi.json'])).toContain('OK');
  });

  test('openapi-python-client generates a client without a warning, and it makes the requests of a call', async () => {
    const generate = ['generate', '--path', 'openapi.json', '--output-path', 'generated', '--meta', 'none'];
    await run('openapi-python-client', [...generate, '--fail-on-warning']);
    const { url, key } = await startRegistry();
    expect(await run('python', [calls, folderWithDocument(), url, key])).toContain('all requests made');
  });

  test('schemathesis finds no difference between it and the server', async () => {
    const { url, key } = await startRegistry();
    const target = ['openapi.json', '--url', url, '--header', `Authorization: Bearer ${key}`];
    // The gateway serves that path. A fixed seed makes a failure repeatable.
    const choice = ['--exclude-path', '/v1/signal/validate', '--max-examples', '20', '--seed', '1'];
    await run('schemathesis', ['run', ...target, ...choice, '--phases', 'examples,coverage,fuzzing'], 170_000);
  }, 180_000);
});
