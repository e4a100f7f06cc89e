import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The path of a program: that of an environment variable, or the first of its names that is found on the PATH. */
export function findProgram(title: string, variable: string, names: readonly [string, ...string[]]): string {
  const candidates = [
    process.env[variable],
    ...names.flatMap((name) => (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, name))),
  ];
  for (const path of candidates) {
    try {
      if (path) accessSync(path, constants.X_OK);
      if (path) return path;
    } catch {
      // Not there.
    }
  }
  throw new Error(`${title} is not installed: apt-get install ${names[0]}, or set ${variable}`);
}
