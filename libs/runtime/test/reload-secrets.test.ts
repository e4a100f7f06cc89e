import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { createLogger, list, loadConfig, reloadSecrets } from '../src/index.ts';

const schema = z.object({
  FLOTILLA_TOKEN_SECRET: z.string().min(8),
  FLOTILLA_API_KEYS: list().default([]),
});
const intervalMs = 1000;

describe('secrets in files that change', () => {
  let directory: string;
  let version = 0;
  const log = createLogger({ service: 'test', level: 'fatal' });

  /** Writes secrets as the kubelet does: into a new directory, to which a symbolic link is moved. */
  const mount = (secrets: Readonly<Record<string, string>>): void => {
    const data = join(directory, `version-${version++}`);
    mkdirSync(data);
    for (const [name, value] of Object.entries(secrets)) writeFileSync(join(data, name), value);
    symlinkSync(data, join(directory, 'new'));
    renameSync(join(directory, 'new'), join(directory, 'data'));
  };

  beforeEach(() => {
    vi.useFakeTimers();
    directory = mkdtempSync(join(tmpdir(), 'flotilla-secrets-'));
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    rmSync(directory, { recursive: true });
  });

  const reloading = () => {
    mount({ 'token-secret': 'first secret', 'api-keys': 'one' });
    const env = {
      FLOTILLA_TOKEN_SECRET_FILE: join(directory, 'data', 'token-secret'),
      FLOTILLA_API_KEYS_FILE: join(directory, 'data', 'api-keys'),
    };
    const config = loadConfig(schema, env);
    const warn = vi.spyOn(log, 'warn');
    const onLoaded = vi.fn();
    return { config, warn, onLoaded, stop: reloadSecrets({ config, schema, env, log, onLoaded, intervalMs }) };
  };

  test('are replaced in the configuration, until it is stopped', () => {
    const { config, onLoaded, stop } = reloading();
    vi.advanceTimersByTime(intervalMs);
    expect(onLoaded).not.toHaveBeenCalled();
    mount({ 'token-secret': 'second secret', 'api-keys': 'one,two' });
    vi.advanceTimersByTime(2 * intervalMs);
    expect(onLoaded).toHaveBeenCalledOnce();
    expect(config).toEqual({ FLOTILLA_TOKEN_SECRET: 'second secret', FLOTILLA_API_KEYS: ['one', 'two'] });
    stop();
    mount({ 'token-secret': 'third secret', 'api-keys': 'three' });
    vi.advanceTimersByTime(intervalMs);
    expect(config.FLOTILLA_TOKEN_SECRET).toBe('second secret');
  });

  test('are those of brokers too, for connections that are opened then', () => {
    const urls = z.object({ REDIS_URL: z.string() });
    mount({ 'redis-url': 'redis://:first@redis' });
    const env = { REDIS_URL_FILE: join(directory, 'data', 'redis-url') };
    const config = loadConfig(urls, env);
    const stop = reloadSecrets({ config, schema: urls, env, log, intervalMs });
    mount({ 'redis-url': 'redis://:second@redis' });
    vi.advanceTimersByTime(intervalMs);
    expect(config).toEqual({ REDIS_URL: 'redis://:second@redis' });
    stop();
  });

  test('stay when the new ones are invalid, which is logged once', () => {
    const { config, warn, stop } = reloading();
    mount({ 'token-secret': 'short', 'api-keys': 'two' });
    vi.advanceTimersByTime(3 * intervalMs);
    expect(config).toEqual({ FLOTILLA_TOKEN_SECRET: 'first secret', FLOTILLA_API_KEYS: ['one'] });
    expect(warn).toHaveBeenCalledTimes(1);
    mount({ 'token-secret': 'a valid secret', 'api-keys': 'two' });
    vi.advanceTimersByTime(intervalMs);
    expect(config).toEqual({ FLOTILLA_TOKEN_SECRET: 'a valid secret', FLOTILLA_API_KEYS: ['two'] });
    stop();
  });
});
