// `nx lint <project>`: the linter with type-aware rules on the project in the current folder, and the types of its tests.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup/steps.mjs';

/** @param {string} program */
const bin = (program) => join(root, 'node_modules', '.bin', program);
/** @param {string} program @param {readonly string[]} args */
const check = (program, args) => spawnSync(bin(program), args, { stdio: 'inherit' }).status === 0;

const linted = check('oxlint', ['--type-aware', '-c', join(root, '.oxlintrc.json'), '.']);
const typed = !existsSync('test/tsconfig.json') || check('tsc', ['-p', 'test']);
process.exitCode = linted && typed ? 0 : 1;
