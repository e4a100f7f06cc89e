// Writes the image's bill of materials: node bill-of-materials.js APP-DIRECTORY OUTPUT, with VERSION and WORKER_SHA256 set.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A component of CycloneDX 1.6, as far as it is known here. */
export interface Component {
  readonly type: 'application' | 'library' | 'operating-system' | 'platform';
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses?: readonly unknown[];
  readonly hashes?: readonly { readonly alg: 'SHA-256'; readonly content: string }[];
}

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly license?: unknown;
}

/** The npm packages installed below a directory, nested ones included, without links to workspaces. */
export function npmComponents(directory: string): Component[] {
  const modules = join(directory, 'node_modules');
  if (!existsSync(modules)) return [];
  const packages = readdirSync(modules, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .flatMap(({ name }) =>
      name.startsWith('@')
        ? readdirSync(join(modules, name), { withFileTypes: true })
            .filter((entry) => entry.isDirectory())
            .map((entry) => join(modules, name, entry.name))
        : [join(modules, name)],
    );
  return packages.flatMap((path) => {
    const own = existsSync(join(path, 'package.json')) ? [npmComponent(path)] : [];
    return [...own, ...npmComponents(path)];
  });
}

function npmComponent(path: string): Component {
  const { name = '', version = '', license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Manifest;
  return {
    type: 'library',
    name,
    version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    ...(typeof license === 'string' && { licenses: [{ expression: license }] }),
  };
}

/** The packages of a Debian system by its `/var/lib/dpkg/status`. */
export function debianComponents(status: string): Component[] {
  return status.split('\n\n').flatMap((paragraph) => {
    const field = (key: string): string | undefined => new RegExp(`^${key}: (.*)$`, 'm').exec(paragraph)?.[1];
    const [name, version, architecture] = [field('Package'), field('Version'), field('Architecture')];
    if (!name || !version || field('Status') !== 'install ok installed') return [];
    const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
    return [{ type: 'library' as const, name, version, purl }];
  });
}

/** The media worker, which is no package: it is identified by the digest of its binary. */
export function workerComponent(version: string, sha256: string): Component {
  return {
    type: 'application',
    name: 'mediasoup-worker',
    version,
    purl: `pkg:github/versatica/mediasoup@${version}`,
    licenses: [{ expression: 'ISC' }],
    hashes: [{ alg: 'SHA-256', content: sha256 }],
  };
}

/** A bill of materials in CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/), each component once, sorted. */
export function billOfMaterials(version: string, components: readonly Component[]): unknown {
  const unique = new Map(components.map((component) => [component.purl, component]));
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'container', name: 'flotilla', version, 'bom-ref': 'flotilla' } },
    components: [...unique.values()]
      .toSorted((a, b) => (a.purl < b.purl ? -1 : 1))
      .map((component) => ({ ...component, 'bom-ref': component.purl })),
  };
}

if (import.meta.main) {
  const [app = '', output = ''] = process.argv.slice(2);
  const { VERSION = '', WORKER_SHA256 = '' } = process.env;
  const node: Component = {
    type: 'platform',
    name: 'node',
    version: process.versions.node,
    purl: `pkg:generic/node@${process.versions.node}`,
  };
  const npm = npmComponents(app);
  const mediasoup = npm.find(({ name }) => name === 'mediasoup');
  const dpkg = '/var/lib/dpkg/status';
  const debian = existsSync(dpkg) ? debianComponents(readFileSync(dpkg, 'utf8')) : [];
  const components = [node, workerComponent(mediasoup?.version ?? '', WORKER_SHA256), ...npm, ...debian];
  writeFileSync(output, `${JSON.stringify(billOfMaterials(VERSION, components), undefined, 1)}\n`);
}
