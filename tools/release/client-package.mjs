// @flotilla/client as an npm package: what its private dependencies export lies inside it, with their types.
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { root, run, SetupError } from '../setup/steps.mjs';

/** Private packages by the name that they are imported by: the directory of their build, and the module. */
const inside = {
  '@flotilla/contracts': { from: 'libs/contracts/dist', to: 'contracts', entry: 'index' },
  '@flotilla/data-channel': { from: 'libs/data-channel/dist', to: 'data-channel', entry: 'index' },
  '@flotilla/clock/sync': { from: 'libs/clock/dist/sync', to: 'clock', entry: 'index' },
};
const client = { from: 'libs/client/dist', to: 'client', entry: 'index' };
/** Where the versions of public dependencies are declared. */
const manifests = ['client', 'contracts', 'data-channel'].map((name) => join('libs', name, 'package.json'));
const specifier = /(\bfrom ['"]|\bimport\(['"]|\bimport ['"])([^'"]+)(['"])/g;

/** @param {string} path relative to the checkout */
const read = (path) => readFileSync(join(root, path), 'utf8');

/**
 * Writes the package to a directory, which is replaced.
 * @param {string} directory
 * @param {string} version
 */
export function clientPackage(directory, version) {
  rmSync(directory, { recursive: true, force: true });
  const dependencies = copyModules(directory);
  cpSync(join(root, 'libs/client/dist/bundle'), join(directory, 'dist', 'bundle'), { recursive: true });
  copyFileSync(join(root, 'LICENSE'), join(directory, 'LICENSE'));
  writeFileSync(join(directory, 'README.md'), withoutRelativeLinks(read('libs/client/README.md')));
  const manifest = {
    name: '@flotilla/client',
    version,
    description: 'Browser SDK of Flotilla, a WebRTC SFU fleet whose calls move between nodes while people talk',
    license: 'Apache-2.0',
    type: 'module',
    sideEffects: false,
    exports: {
      '.': { types: './dist/client/index.d.ts', default: './dist/client/index.js' },
      './bundle': { types: './dist/client/index.d.ts', default: './dist/bundle/flotilla-client.js' },
    },
    files: ['dist'],
    dependencies,
  };
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return `${Object.keys(dependencies).length} public dependencies`;
}

/**
 * Copies the modules that the SDK reaches, with their types, and lets them import each other by relative paths.
 * @param {string} directory
 * @returns {Record<string, string>} the public packages that they import, with their versions
 */
function copyModules(directory) {
  /** @type {Set<string>} */
  const external = new Set();
  /** @type {Set<string>} */
  const copied = new Set();
  const waiting = ['.js', '.d.ts'].map((ending) => ({ ...client, file: `index${ending}` }));
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { from, to, file } = next;
    const target = join(directory, 'dist', to, file);
    if (copied.has(target)) continue;
    copied.add(target);
    const ending = file.endsWith('.d.ts') ? '.d.ts' : '.js';
    const text = read(join(from, file)).replace(/^\/\/# sourceMappingURL=.*$/gm, '');
    const rewritten = text.replace(specifier, (whole, before, name, after) => {
      if (name.startsWith('.')) {
        const imported = join(dirname(file), name).replace(/(\.d)?\.[jt]s$/, '');
        waiting.push({ ...next, file: `${imported}${ending}` });
        return whole;
      }
      const known = inside[/** @type {keyof typeof inside} */ (name)];
      if (!known) {
        external.add(
          name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/'),
        );
        return whole;
      }
      waiting.push({ ...known, file: `${known.entry}${ending}` });
      const path = relative(dirname(target), join(directory, 'dist', known.to, `${known.entry}.js`));
      return `${before}${path.startsWith('.') ? path : `./${path}`}${after}`;
    });
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, rewritten);
  }
  /** @type {Record<string, string>} */
  const declared = Object.assign({}, ...manifests.map((path) => JSON.parse(read(path)).dependencies));
  return Object.fromEntries(
    [...external].toSorted().map((name) => {
      const version = declared[name];
      if (version === undefined || name.startsWith('@flotilla/') || name.startsWith('node:'))
        throw new SetupError(`The SDK imports ${name}, which is no public dependency of ${manifests.join(', ')}.`);
      return [name, version];
    }),
  );
}

/** @param {string} text */
const withoutRelativeLinks = (text) => text.replace(/\[([^\]]+)\]\(\.\.?\/[^)]*\)/g, '$1');

/**
 * Packs the package and writes its bill of materials, from an installation in an empty project.
 * @param {string} directory
 * @param {string} out
 */
export async function packClient(directory, out) {
  const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  const archive = join(out, `flotilla-client-${version}.tgz`);
  await npm(directory, 'pack', '--silent', '--pack-destination', out);
  if (!existsSync(archive)) throw new SetupError(`npm pack did not write ${archive}.`);
  const temporary = mkdtempSync(join(tmpdir(), 'flotilla-release-'));
  // npm names the root of the bill after the directory.
  const project = join(temporary, 'flotilla-client');
  try {
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'flotilla-client', version, private: true }));
    await npm(project, 'install', '--no-audit', '--no-fund', '--silent', archive);
    const sbom = await npm(project, 'sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'library');
    writeFileSync(join(out, `flotilla-client-${version}.cdx.json`), sbom);
  } finally {
    rmSync(temporary, { recursive: true });
  }
  return archive;
}

/** @param {string} cwd @param {string[]} args */
async function npm(cwd, ...args) {
  const { code, output } = await run('npm', args, { cwd });
  if (code !== 0) throw new SetupError(`npm ${args[0]} failed: ${output.trim()}`);
  return output;
}
