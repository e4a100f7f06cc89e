// Makes libs/store/src/redis/scripts/generated/scripts.ts from the .lua files beside it: the text, the includes, the names of the
// arguments, and the schema of the result. A script opens with a comment that has `@args` (a last one with `...` takes the rest)
// and `@result` (a zod schema); `-- @include name`, before any code, puts includes/name.lua there, once.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { root } from '../setup/steps.mjs';

const folder = join(root, 'libs', 'store', 'src', 'redis', 'scripts');

/**
 * The text of a Lua file without its comments and blank lines, and the includes that it names.
 *
 * @param {string} file
 */
function readLua(file) {
  const source = readFileSync(join(folder, file), 'utf8');
  const includes = [...source.matchAll(/^-- @include (\S+)$/gm)].map(([, name]) => /** @type {string} */ (name));
  const lua = source
    .replace(/--\[\[[\s\S]*?\]\]\n/g, '')
    .replace(/^\s*--.*(\n|$)/gm, '')
    .replace(/\n{2,}/g, '\n')
    .trim();
  if (/[\\`]|\$\{/.test(lua)) throw new Error(`${file} has a backslash, a backtick or \${`);
  return { source, includes, lua };
}

/**
 * Adds includes to a list, each once and after those that it needs.
 *
 * @param {string[]} names
 * @param {Set<string>} needed
 */
function addIncludes(names, needed) {
  for (const name of names) {
    if (needed.has(name)) continue;
    addIncludes(readLua(join('includes', `${name}.lua`)).includes, needed);
    needed.add(name);
  }
  return needed;
}

/** @returns {string} */
export function redisScripts() {
  const scripts = readdirSync(folder)
    .filter((file) => file.endsWith('.lua'))
    .sort()
    .map((file) => {
      const name = basename(file, '.lua');
      const { source, includes, lua } = readLua(file);
      const args = /^@args ?(.*)$/m.exec(source)?.[1]?.split(' ').filter(Boolean);
      const result = /^@result (.+)$/m.exec(source)?.[1];
      if (!args || !result) throw new Error(`${file} lacks @args or @result in its opening comment`);
      return { name, args, result, includes: [...addIncludes(includes, new Set())], lua };
    });
  const includes = [...new Set(scripts.flatMap((script) => script.includes))].sort();
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

const include = {
${includes.map((name) => `  ${name}: \`${readLua(join('includes', `${name}.lua`)).lua}\`,`).join('\n')}
} as const;

export const scripts = {
${scripts
  .map(
    ({ name, args, result, includes: needed, lua }) => `  ${name}: {
    args: ${JSON.stringify(args)},
    result: ${result},
    lua: \`${[...needed.map((each) => `\${include.${each}}`), lua].join('\n')}\`,
  },`,
  )
  .join('\n')}
} as const satisfies Record<ScriptName, { args: readonly string[]; result: z.ZodType; lua: string }>;
`;
}
