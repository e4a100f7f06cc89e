import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A page that uses the SDK as an application does. */
const application = `
import { createBackend } from '@flotilla/backend';
import { connect, FlotillaError, openCamera, type Room } from '@flotilla/client';

export async function tokenFor(userId: string): Promise<string> {
  const backend = createBackend({ url: 'https://rooms.example', apiKey: 'key' });
  // @ts-expect-error A number is no room.
  await backend.getRoom({ room: 1 });
  return (await backend.issueToken({ room: 'stand-up', userId, grants: ['publish', 'subscribe'] })).token;
}

export async function join(video: HTMLVideoElement): Promise<Room> {
  const room = await connect('https://calls.example', { token: async () => 'token', room: 'stand-up' });
  room.on('publicationAdded', (publication) => publication.attach(video));
  room.on('closed', (error) => console.log(error instanceof FlotillaError ? error.code : 'closed'));
  const publication = await room.publish(await openCamera());
  await publication.mute();
  // @ts-expect-error A room has no such event, so the types are those of the SDK and not any.
  room.on('noSuchEvent', () => undefined);
  return room;
}
`;

describe('npm run release -- --dry-run', () => {
  const out = mkdtempSync(join(tmpdir(), 'flotilla-release-'));
  const project = mkdtempSync(join(tmpdir(), 'flotilla-project-'));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const archives = ['client', 'backend'].map((sdk) => join(out, `flotilla-${sdk}-${version}.tgz`));

  beforeAll(() => {
    const parts = ['changelog', 'client', 'backend', 'chart'].flatMap((part) => ['--only', part]);
    execFileSync(process.execPath, [join(root, 'tools', 'release.mjs'), '--dry-run', '--out', out, ...parts], {
      stdio: 'pipe',
    });
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true, type: 'module' }));
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...archives], {
      cwd: project,
      stdio: 'pipe',
    });
  }, 300_000);
  afterAll(() => {
    for (const directory of [out, project]) rmSync(directory, { recursive: true });
  });

  test('makes packages of the SDKs that an empty project installs, with public dependencies only', () => {
    expect(readdirSync(join(project, 'node_modules', '@flotilla')).toSorted()).toEqual(['backend', 'client']);
    for (const [sdk, dependencies] of [
      ['client', ['@bufbuild/protobuf', 'mediasoup-client', 'zod']],
      ['backend', ['zod']],
    ] as const) {
      const manifest = JSON.parse(
        readFileSync(join(project, 'node_modules', '@flotilla', sdk, 'package.json'), 'utf8'),
      ) as { version: string; private?: boolean; dependencies: Record<string, string> };
      expect(manifest).toMatchObject({ version, license: 'Apache-2.0' });
      expect(manifest).not.toHaveProperty('private');
      expect(Object.keys(manifest.dependencies)).toEqual(dependencies);
    }
  });

  test('makes a package whose types an application compiles against', () => {
    writeFileSync(join(project, 'application.ts'), application);
    const compiler = join(root, 'node_modules', '.bin', 'tsc');
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--lib',
      'es2024,dom,dom.iterable',
    ];
    const { status, stdout } = spawnSync(compiler, [...options, '--skipLibCheck', 'application.ts'], {
      cwd: project,
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  test('makes a package whose modules load, in which a failed connection has the error of the SDK', () => {
    const script = `
      import { connect, FlotillaError } from '@flotilla/client';
      const error = await connect('http://127.0.0.1:9', { token: 't', room: 'r' }).catch((reason) => reason);
      console.log(String(error instanceof FlotillaError), error.code);
    `;
    const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: project,
      timeout: 30_000,
    });
    expect(printed.toString().trim()).toBe('true UNAVAILABLE');
  });

  test('makes a bill of materials of the package', () => {
    const sbom = JSON.parse(readFileSync(join(out, `flotilla-client-${version}.cdx.json`), 'utf8')) as {
      bomFormat: string;
      components: { name: string }[];
    };
    expect(sbom.bomFormat).toBe('CycloneDX');
    expect(sbom.components.map(({ name }) => name)).toContain('mediasoup-client');
  });

  test('packs the chart with the version of the release', () => {
    const shown = execFileSync(process.env['HELM_BIN']!, ['show', 'chart', join(out, `flotilla-${version}.tgz`)]);
    expect(shown.toString()).toContain(`version: ${version}`);
    expect(shown.toString()).toMatch(new RegExp(`appVersion: "?${version}"?`));
  });

  test('lists features and fixes of the commits, with their hashes', () => {
    const text = readFileSync(join(out, 'CHANGELOG.md'), 'utf8');
    expect(text).toContain(`## ${version} (`);
    expect(text).toMatch(/### Features\n\n- .+ \([0-9a-f]{7,}\)/);
    expect(text).not.toMatch(/^- .*\b(chore|test|refactor)\(/m);
  });
});
