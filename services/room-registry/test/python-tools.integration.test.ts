import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { startRegistry } from './harness.ts';
import { folderWithDocument, runPython, runSchemathesis } from './python-tools.ts';

const calls = fileURLToPath(new URL('./rest_calls.py', import.meta.url));

describe('the OpenAPI document, read by Python tools', () => {
  test('openapi-spec-validator accepts it', async () => {
    expect(await runPython('openapi-spec-validator', ['openapi.json'])).toContain('OK');
  });

  test('openapi-python-client generates a client without a warning, and it makes the requests of a call', async () => {
    const cwd = folderWithDocument();
    const generate = ['generate', '--path', 'openapi.json', '--output-path', 'generated', '--meta', 'none'];
    await runPython('openapi-python-client', [...generate, '--fail-on-warning'], { cwd });
    const { url, key } = await startRegistry();
    expect(await runPython('python', [calls, cwd, url, key], { cwd })).toContain('all requests made');
  });

  test('schemathesis finds no difference between it and the registry in 5 examples per operation', async () => {
    // A fixed seed makes a failure repeatable.
    await runSchemathesis(['--max-examples', '5', '--seed', '1', '--phases', 'examples,coverage,fuzzing'], 170_000);
  }, 180_000);
});
