import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ConfigError, describeConfig, loadConfig, pickEnv } from '../src/index.ts';

const schema = z.object({
  FLOTILLA_TOKEN_SECRET: z.string().min(8).describe('Signs tokens.'),
  FLOTILLA_HOST: z.string().default('127.0.0.1'),
});

describe('a secret in a file', () => {
  let directory: string;
  let secret: string;
  let empty: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'flotilla-secrets-'));
    secret = join(directory, 'token-secret');
    empty = join(directory, 'empty');
    writeFileSync(secret, 'long enough\n');
    writeFileSync(empty, '\n');
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const problemsOf = (env: Record<string, string>): readonly string[] => {
    try {
      loadConfig(schema, env);
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
    }
    throw new Error('the configuration was accepted');
  };

  test('is read without the end of its line', () => {
    expect(loadConfig(schema, { FLOTILLA_TOKEN_SECRET_FILE: secret }).FLOTILLA_TOKEN_SECRET).toBe('long enough');
  });

  test('is checked as a value of the setting', () => {
    writeFileSync(join(directory, 'short'), 'short');
    expect(problemsOf({ FLOTILLA_TOKEN_SECRET_FILE: join(directory, 'short') })).toMatchObject([
      expect.stringMatching(/^FLOTILLA_TOKEN_SECRET: /),
    ]);
  });

  test('is refused in one line when it is missing, empty, or set as a value too', () => {
    expect(problemsOf({ FLOTILLA_TOKEN_SECRET_FILE: '/nowhere/secret' })).toEqual([
      'FLOTILLA_TOKEN_SECRET_FILE: /nowhere/secret cannot be read (ENOENT). Mount the secret there, or correct the path.',
    ]);
    expect(problemsOf({ FLOTILLA_TOKEN_SECRET_FILE: empty })).toEqual([
      `FLOTILLA_TOKEN_SECRET_FILE: ${empty} is empty. Write the secret to it.`,
    ]);
    expect(problemsOf({ FLOTILLA_TOKEN_SECRET_FILE: secret, FLOTILLA_TOKEN_SECRET: 'long enough' })).toEqual([
      'FLOTILLA_TOKEN_SECRET and FLOTILLA_TOKEN_SECRET_FILE are both set. Keep one of them.',
    ]);
  });

  test('is possible for secrets only', () => {
    expect(problemsOf({ FLOTILLA_TOKEN_SECRET_FILE: secret, FLOTILLA_HOST_FILE: secret })).toEqual([
      expect.stringMatching(/^FLOTILLA_HOST_FILE is not a setting of this service/),
    ]);
  });

  test('is handed to a child process, and described', () => {
    expect(pickEnv(schema, { FLOTILLA_TOKEN_SECRET_FILE: secret, FLOTILLA_API_KEY_FILE: secret })).toEqual({
      FLOTILLA_TOKEN_SECRET_FILE: secret,
    });
    expect(describeConfig(schema)).toContain(
      '# Signs tokens. FLOTILLA_TOKEN_SECRET_FILE names a file that contains it instead.',
    );
  });
});
