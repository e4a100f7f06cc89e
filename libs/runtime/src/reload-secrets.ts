import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { ConfigError, loadConfig } from './config.ts';
import type { Logger } from './log.ts';
import { fileSuffix, secretSettings } from './secret-files.ts';

/** Interval between two reads of the files, ms. */
const defaultIntervalMs = 5000;

export interface SecretReload<T extends z.ZodRawShape> {
  /** The configuration in use. Changed secrets are replaced in it, so what uses a secret reads it from here each time. */
  readonly config: z.output<z.ZodObject<T>>;
  readonly schema: z.ZodObject<T>;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly log: Logger;
  /** Called after secrets were replaced in `config`. */
  readonly onLoaded?: (() => void) | undefined;
  readonly intervalMs?: number;
}

/**
 * Reads the files of secrets again periodically, as Kubernetes replaces a symbolic link above them. A configuration that is invalid
 * with the new secrets is logged once, and those in use stay.
 *
 * @returns a function that stops it.
 */
export function reloadSecrets<T extends z.ZodRawShape>(options: SecretReload<T>): () => void {
  const { schema, env = process.env, log, onLoaded, intervalMs = defaultIntervalMs } = options;
  const config = options.config as Record<string, unknown>;
  const reloaded = Object.keys(schema.shape).filter((key) => secretSettings.has(key) && env[`${key}${fileSuffix}`]);
  if (reloaded.length === 0) return () => undefined;
  let failure = '';
  const timer = setInterval(() => {
    try {
      const read: Record<string, unknown> = loadConfig(schema, env);
      failure = '';
      const changed = reloaded.filter((key) => !isDeepStrictEqual(read[key], config[key]));
      for (const key of changed) {
        config[key] = read[key];
        log.info({ setting: key }, 'secret loaded');
      }
      if (changed.length > 0) onLoaded?.();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      if (error.message === failure) return;
      failure = error.message;
      log.warn({ problems: error.problems }, 'secrets not loaded, keeping those in use');
    }
  }, intervalMs).unref();
  return () => clearInterval(timer);
}
