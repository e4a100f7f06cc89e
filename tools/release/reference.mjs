// The API reference of the SDK. TypeDoc needs the compiler API of TypeScript, which version 7 does not have: both are installed
// apart, in the cache.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { node24 } from '../setup/dependencies.mjs';
import { cacheDir, run, SetupError } from '../setup/steps.mjs';

const packages = { typedoc: '0.28.20', typescript: '5.9.3' };
const folder = join(cacheDir, 'typedoc', Object.values(packages).join('-'));

async function ensureTypeDoc() {
  if (existsSync(folder)) return;
  mkdirSync(join(cacheDir, 'typedoc'), { recursive: true });
  const building = mkdtempSync(join(cacheDir, 'typedoc', 'new-'));
  try {
    writeFileSync(join(building, 'package.json'), JSON.stringify({ private: true, dependencies: packages }));
    const { code, output } = await run('npm', ['install', '--no-audit', '--no-fund', '--silent'], { cwd: building });
    if (code !== 0) throw new SetupError(`TypeDoc could not be installed: ${output.trim()}`);
    renameSync(building, folder);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

/**
 * Writes the reference as HTML, from the types of the package.
 * @param {string} directory of the package
 * @param {string} out
 */
export async function writeReference(directory, out) {
  await ensureTypeDoc();
  const tsconfig = join(directory, 'tsconfig.json');
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2024',
    lib: ['es2024', 'dom', 'dom.iterable'],
    skipLibCheck: true,
  };
  writeFileSync(tsconfig, JSON.stringify({ compilerOptions, files: ['dist/client/index.d.ts'] }));
  try {
    const { code, output } = await run(node24(), [
      join(folder, 'node_modules', 'typedoc', 'bin', 'typedoc'),
      ...['--tsconfig', tsconfig, '--out', out, '--name', '@flotilla/client', '--readme', join(directory, 'README.md')],
      ...['--disableSources', '--excludeInternal', '--excludePrivate', '--logLevel', 'Warn'],
      join(directory, 'dist', 'client', 'index.d.ts'),
    ]);
    if (code !== 0) throw new SetupError(`TypeDoc failed:\n${output.trim()}`);
  } finally {
    rmSync(tsconfig);
  }
}
