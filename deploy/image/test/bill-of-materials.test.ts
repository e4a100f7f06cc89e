import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { billOfMaterials, debianComponents, npmComponents } from '../src/bill-of-materials.ts';

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

function install(packages: Record<string, { name: string; version: string; license?: string }>): string {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-sbom-'));
  directories.push(directory);
  for (const [path, manifest] of Object.entries(packages)) {
    mkdirSync(join(directory, path), { recursive: true });
    writeFileSync(join(directory, path, 'package.json'), JSON.stringify(manifest));
  }
  return directory;
}

describe('bill of materials', () => {
  test('npm packages are found at the top, in scopes and nested', () => {
    const directory = install({
      'node_modules/ws': { name: 'ws', version: '8.23.0', license: 'MIT' },
      'node_modules/@nestjs/core': { name: '@nestjs/core', version: '12.5.1' },
      'node_modules/@nestjs/core/node_modules/ws': { name: 'ws', version: '7.0.0' },
    });
    expect(npmComponents(directory).map(({ purl }) => purl)).toEqual([
      'pkg:npm/%40nestjs/core@12.5.1',
      'pkg:npm/ws@7.0.0',
      'pkg:npm/ws@8.23.0',
    ]);
    expect(npmComponents(directory).at(-1)).toMatchObject({ licenses: [{ expression: 'MIT' }] });
  });

  test('only installed Debian packages are listed', () => {
    const status = [
      'Package: libuv1\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.44.2-1+deb12u1',
      'Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1',
    ].join('\n\n');
    expect(debianComponents(status).map(({ purl }) => purl)).toEqual([
      'pkg:deb/debian/libuv1@1.44.2-1%2Bdeb12u1?arch=amd64',
    ]);
  });

  test('a component that was found twice is listed once', () => {
    const component = { type: 'library', name: 'ws', version: '1', purl: 'pkg:npm/ws@1' } as const;
    expect(billOfMaterials('0.1.0', [component, component])).toMatchObject({
      bomFormat: 'CycloneDX',
      components: [{ ...component, 'bom-ref': component.purl }],
    });
  });
});
