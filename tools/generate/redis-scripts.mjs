// Makes libs/store/src/redis/scripts/generated/scripts.ts from the .lua files beside it: the text with its includes, the names of the
// arguments, and the schema of the result. A script opens with a comment that has `@args` (a last one with `...` takes the rest)
// and `@result` (a zod schema); `-- @include name` puts includes/name.lua there, once.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { root } from '../setup/steps.mjs';

const folder = join(root, 'libs', 'store', 'src', 'redis', 'scripts');

/**
 * @param {string} text
 * @param {Set<string>} included
 * @returns {string}
 */
function withIncludes(text, included) {
  return text.replace(/^-- @include (\S+)$/gm, (_, name) => {
    if (included.has(name)) return '';
    included.add(name);
    return withIncludes(readFileSync(join(folder, 'includes', `${name}.lua`), 'utf8'), included);
  });
}

/** @returns {string} */
export function redisScripts() {
  const scripts = readdirSync(folder)
    .filter((file) => file.endsWith('.lua'))
    .sort()
    .map((file) => {
      const name = basename(file, '.lua');
      const text = readFileSync(join(folder, file), 'utf8');
      const args = /^@args ?(.*)$/m.exec(text)?.[1]?.split(' ').filter(Boolean);
      const result = /^@result (.+)$/m.exec(text)?.[1];
      if (!args || !result) throw new Error(`${file} lacks @args or @result in its opening comment`);
      const lua = withIncludes(text, new Set())
        .replace(/--\[\[[\s\S]*?\]\]\n/g, '')
        .replace(/^\s*--.*\n/gm, '')
        .replace(/\n{2,}/g, '\n')
        .trim();
      if (/[\\`]|\$\{/.test(lua)) throw new Error(`${file} has a backslash, a backtick or \${`);
      return { name, args, result, lua };
    });
  const fields = (/** @type {string[]} */ args) =>
    args
      .map((arg) => (arg.startsWith('...') ? `${arg.slice(3)}: readonly string[]` : `${arg}: string | number`))
      .join('; ');
  return `// Made from the .lua files of this folder by \`npm run generate\`.
/* oxlint-disable */
import { z } from 'zod';

export interface ScriptArguments {
${scripts.map(({ name, args }) => `  ${name}: { ${fields(args)} };`).join('\n')}
}

export type ScriptName = keyof ScriptArguments;

export const scripts = {
${scripts
  .map(
    ({ name, args, result, lua }) => `  ${name}: {
    args: ${JSON.stringify(args)},
    result: ${result},
    lua: \`${lua}\`,
  },`,
  )
  .join('\n')}
} as const satisfies Record<ScriptName, { args: readonly string[]; result: z.ZodType; lua: string }>;
`;
}
