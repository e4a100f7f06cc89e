// An SDK as an npm package: what its private dependencies export lies inside it, with their types.
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

/** @typedef {'client' | 'backend'} Sdk The directory in libs, and the name of its package behind `@flotilla/`. */

/** @type {Record<Sdk, { description: string, from: readonly string[], bundle: boolean }>} `from`: its own library and those inside it. */
const sdks = {
  client: {
    description: 'Browser SDK of Flotilla, a WebRTC SFU fleet whose calls move between nodes while people talk',
    from: ['client', 'contracts', 'data-channel'],
    bundle: true,
  },
  backend: {
    description: 'REST API of Flotilla, a WebRTC SFU fleet, for backends',
    from: ['backend', 'contracts'],
    bundle: false,
  },
};
const specifier = /(\bfrom ['"]|\bimport\(['"]|\bimport ['"])([^'"]+)(['"])/g;

/** @param {string} path relative to the checkout */
const read = (path) => readFileSync(join(root, path), 'utf8');

/**
 * Writes the package to a directory, which is replaced.
 * @param {Sdk} sdk
 * @param {string} directory
 * @param {string} version
 */
export function sdkPackage(sdk, directory, version) {
  rmSync(directory, { recursive: true, force: true });
  const { description, bundle } = sdks[sdk];
  const dependencies = copyModules(sdk, directory);
  copyFileSync(join(root, 'LICENSE'), join(directory, 'LICENSE'));
  writeFileSync(join(directory, 'README.md'), withoutRelativeLinks(read(`libs/${sdk}/README.md`)));
  const types = `./dist/${sdk}/index.d.ts`;
  if (bundle) cpSync(join(root, 'libs', sdk, 'dist', 'bundle'), join(directory, 'dist', 'bundle'), { recursive: true });
  const manifest = {
    name: `@flotilla/${sdk}`,
    version,
    description,
    license: 'Apache-2.0',
    type: 'module',
    sideEffects: false,
    exports: {
      '.': { types, default: `./dist/${sdk}/index.js` },
      ...(bundle && { './bundle': { types, default: `./dist/bundle/flotilla-${sdk}.js` } }),
    },
    files: ['dist'],
    dependencies,
  };
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return `${Object.keys(dependencies).length} public dependencies`;
}

/**
 * Copies the modules that the SDK reaches, with their types, and lets them import each other by relative paths.
 * @param {Sdk} sdk
 * @param {string} directory
 * @returns {Record<string, string>} the public packages that they import, with their versions
 */
function copyModules(sdk, directory) {
  /** @type {Set<string>} */
  const external = new Set();
  /** @type {Set<string>} */
  const copied = new Set();
  /** @type {{ from: string, to: string, file: string }[]} */
  const waiting = ['.js', '.d.ts'].map((ending) => ({ from: `libs/${sdk}/dist`, to: sdk, file: `index${ending}` }));
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
  const manifests = sdks[sdk].from.map((name) => join('libs', name, 'package.json'));
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
 * @param {Sdk} sdk
 * @param {string} directory
 * @param {string} out
 */
export async function packSdk(sdk, directory, out) {
  const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  const name = `flotilla-${sdk}`;
  const archive = join(out, `${name}-${version}.tgz`);
  await npm(directory, 'pack', '--silent', '--pack-destination', out);
  if (!existsSync(archive)) throw new SetupError(`npm pack did not write ${archive}.`);
  const temporary = mkdtempSync(join(tmpdir(), 'flotilla-release-'));
  // npm names the root of the bill after the directory.
  const project = join(temporary, name);
  try {
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name, version, private: true }));
    await npm(project, 'install', '--no-audit', '--no-fund', '--silent', archive);
    const sbom = await npm(project, 'sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'library');
    writeFileSync(join(out, `${name}-${version}.cdx.json`), sbom);
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
