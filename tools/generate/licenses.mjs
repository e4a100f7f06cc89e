// docs/licenses.md: the licences of the npm packages that the product uses, from package-lock.json and the packages themselves.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @typedef {{ license?: string, licenses?: { type: string }[] | { type: string } }} Manifest */

/**
 * The licence that a package names, in the words of its manifest.
 * @param {string} dir @param {Manifest} locked
 */
function licenseOf(dir, locked) {
  const path = join(dir, 'package.json');
  /** @type {Manifest} */
  const manifest = locked.license || !existsSync(path) ? locked : JSON.parse(readFileSync(path, 'utf8'));
  const { license, licenses } = manifest;
  return license ?? [licenses ?? []].flat()[0]?.type ?? 'not named';
}

/**
 * @param {string} root the checkout
 * @returns {string}
 */
export function licensesPage(root) {
  /** @type {{ packages: Record<string, Manifest & { dev?: boolean, link?: boolean, optional?: boolean }> }} */
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  /** @type {Map<string, Set<string>>} */
  const byLicense = new Map();
  for (const [path, locked] of Object.entries(packages)) {
    // Optional packages are binaries of other platforms: each has the licence of the package that needs it.
    if (!path.includes('node_modules/') || locked.link || locked.dev || locked.optional) continue;
    const license = licenseOf(join(root, path), locked).replace(/^\((.*)\)$/, '$1');
    const names = byLicense.get(license) ?? new Set();
    byLicense.set(license, names.add(path.replace(/.*node_modules\//, '')));
  }
  const rows = [...byLicense]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([license, names]) => `| ${license} | ${names.size} | ${[...names].toSorted().join(', ')} |`);
  return `<!-- Written by npm run generate. -->

# Licences

Flotilla is under the Apache License 2.0, see [LICENSE](../LICENSE). These are the licences of the npm packages that it uses at run time, and
of those that these need, as the packages name them. The image also contains Node.js (MIT and others), the mediasoup worker (ISC), which links
libsrtp (BSD-3-Clause), libuv (MIT), OpenSSL (Apache-2.0), Abseil (Apache-2.0), FlatBuffers (Apache-2.0) and usrsctp (BSD-3-Clause), and
packages of Debian; its SBOM lists them all. Redis, RabbitMQ and coturn run beside Flotilla and are not part of it.

| licence | number of packages | packages |
| ------- | ------------------ | -------- |
${rows.join('\n')}
`;
}
