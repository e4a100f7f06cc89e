import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** An input that is kept, and its outcome: the name of the folder that it is in. */
export interface Seed {
  readonly outcome: string;
  /** What is special about the input: the name of its file. */
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * The seeds of a parser, from `<corpus>/<outcome>/<name>`. A file `*.hex` is the hexadecimal bytes of its input, with comments from `#` to
 * the end of the line; any other file is its input.
 */
export function seedsIn(corpus: URL): Seed[] {
  const folder = fileURLToPath(corpus);
  return readdirSync(folder).flatMap((outcome) =>
    readdirSync(join(folder, outcome)).map((name) => ({
      outcome,
      name,
      bytes: inputOf(name, readFileSync(join(folder, outcome, name))),
    })),
  );
}

function inputOf(name: string, content: Buffer): Buffer {
  if (!name.endsWith('.hex')) return content;
  const digits = content.toString().replaceAll(/#.*|\s/g, '');
  if (!/^([\da-f]{2})*$/i.test(digits)) throw new Error(`${name} is not hexadecimal`);
  return Buffer.from(digits, 'hex');
}
