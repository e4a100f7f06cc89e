import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { openApiDocument } from '../src/inbound/openapi.ts';
import { startRegistry } from './harness.ts';

const bin = dirname(process.env['TOOLS_PYTHON']!);
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}`, NO_COLOR: '1' };

/** Creates a folder with the OpenAPI document as openapi.json, for the time of the test. */
export function folderWithDocument(): string {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-openapi-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'openapi.json'), JSON.stringify(openApiDocument()));
  return folder;
}

/** Runs a Python program in a folder. Resolves to its output; rejects with it when it fails. */
export async function runPython(
  program: string,
  args: readonly string[],
  { cwd = folderWithDocument(), timeoutMs = 60_000 }: { cwd?: string; timeoutMs?: number } = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(join(bin, program), args, { env, cwd, timeout: timeoutMs }).catch(
    (error: unknown) => {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`${program} failed:\n${stdout}\n${stderr}`, { cause: error });
    },
  );
  return stdout;
}

/** Runs schemathesis against a registry, with these options. Rejects when the registry and its document differ. */
export async function runSchemathesis(options: readonly string[], timeoutMs: number): Promise<string> {
  const { url, key } = await startRegistry();
  const target = ['openapi.json', '--url', url, '--header', `Authorization: Bearer ${key}`];
  // The gateway serves that path.
  const choice = ['--exclude-path', '/v1/signal/validate'];
  // Few random texts fit the patterns of ids, which is no fault of the document.
  const health = '--suppress-health-check=filter_too_much';
  return runPython('schemathesis', ['run', ...target, ...choice, health, ...options], { timeoutMs });
}
