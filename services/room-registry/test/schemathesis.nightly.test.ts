import { expect, test } from 'vitest';
import { runSchemathesis } from './python-tools.ts';

test('schemathesis finds no difference between the OpenAPI document and the registry in a minute, in any order of requests', async () => {
  // The seed is random, so that each run tries other requests; a failure prints it.
  expect(await runSchemathesis(['--max-time', '60'], 240_000)).toContain('Seed');
}, 300_000);
