import { readFileSync } from 'node:fs';
import type { z } from 'zod';

/** Settings that hold secrets. Each may be in a file, as Kubernetes and Docker mount them, so that no environment shows it. */
export const secretSettings: ReadonlySet<string> = new Set([
  'REDIS_URL',
  'AMQP_URL',
  'FLOTILLA_TOKEN_SECRET',
  'FLOTILLA_API_KEYS',
  'FLOTILLA_API_KEY',
  'FLOTILLA_TURN_SECRET',
]);
export const fileSuffix = '_FILE';

type Values = Readonly<Record<string, string | undefined>>;

/** The settings that name files of the schema's secrets. */
export const fileSettings = (schema: z.ZodObject): string[] =>
  Object.keys(schema.shape).flatMap((key) => (secretSettings.has(key) ? `${key}${fileSuffix}` : []));

/** The settings of the schema, with secrets from their files, and one line for each file that cannot be used. */
export function withSecretFiles(schema: z.ZodObject, values: Values): { given: Values; problems: string[] } {
  const given: Record<string, string | undefined> = {};
  const problems: string[] = [];
  for (const key of Object.keys(schema.shape)) {
    given[key] = values[key];
    const setting = `${key}${fileSuffix}`;
    const path = secretSettings.has(key) ? values[setting] : undefined;
    if (path === undefined) continue;
    if (given[key] !== undefined) {
      problems.push(`${key} and ${setting} are both set. Keep one of them.`);
      continue;
    }
    try {
      given[key] = readFileSync(path, 'utf8').trim() || undefined;
      if (given[key] === undefined) problems.push(`${setting}: ${path} is empty. Write the secret to it.`);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      problems.push(`${setting}: ${path} cannot be read (${code}). Mount the secret there, or correct the path.`);
    }
  }
  return { given, problems };
}
