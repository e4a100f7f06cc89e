// `npm run release`: what a release consists of, in one directory.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { changelog } from './release/changelog.mjs';
import { writeReference } from './release/reference.mjs';
import { packSdk, sdkPackage } from './release/sdk-package.mjs';
import { wrongVersions } from './release/versions.mjs';
import { ensureHelm, helmPath } from './setup/helm.mjs';
import { buildah, buildImage, imageArchive, imageName } from './setup/image.mjs';
import { prepare } from './setup/prepare.mjs';
import { bold, root, run, runMain, SetupError, step } from './setup/steps.mjs';

const parts = ['changelog', 'client', 'backend', 'reference', 'chart', 'image'];
const usage = `npm run release -- --dry-run [--only PART] [--out DIRECTORY]

Makes the artifacts of the version in package.json, and publishes nothing:

  CHANGELOG.md                       the commits since the last tag
  flotilla-client-VERSION.tgz        the npm package @flotilla/client, with types and without private dependencies
  flotilla-client-VERSION.cdx.json   its bill of materials (CycloneDX)
  flotilla-backend-VERSION.tgz       the npm package @flotilla/backend; its bill of materials beside it
  reference/                         the API reference of the SDK for browsers (TypeDoc)
  flotilla-VERSION.tgz               the Helm chart
  flotilla-image-VERSION.tar         the image, as an archive for docker load, skopeo or ctr
  flotilla-image-VERSION.cdx.json    its bill of materials

  --only PART   one of ${parts.join(', ')}; may be repeated
  --out DIR     default: release
  --dry-run     without it, the version is tagged in Git as well; the commands that publish are printed
  --help        this text
`;

await runMain(async () => {
  const options = readOptions();
  if (!options) return;
  const { only, out, dryRun } = options;
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const tag = `v${version}`;
  console.log(bold(`Release ${version}${dryRun ? ', dry run' : ''}`));
  const wrong = await wrongVersions();
  if (wrong.length > 0) throw new SetupError(`Not everything names ${version}:\n${wrong.join('\n')}`);
  if (!dryRun) await assertReleasable(tag);
  const system = only.has('image') ? /** @type {const} */ (['buildah', 'mmdebstrap']) : [];
  await prepare({ system: [...system] });
  mkdirSync(out, { recursive: true });

  if (only.has('changelog'))
    await step('Changelog', async () => writeFileSync(join(out, 'CHANGELOG.md'), await changelog(version)));
  if (only.has('client') || only.has('reference')) {
    const directory = join(out, 'client');
    await step('Package of the SDK', async () => sdkPackage('client', directory, version));
    if (only.has('client')) await step('Archive of the SDK', async () => packSdk('client', directory, out));
    if (only.has('reference')) await step('Reference', async () => writeReference(directory, join(out, 'reference')));
  }
  if (only.has('backend')) {
    const directory = join(out, 'backend');
    await step('Package of the SDK for backends', async () => sdkPackage('backend', directory, version));
    await step('Archive of the SDK for backends', async () => packSdk('backend', directory, out));
  }
  if (only.has('chart')) {
    await step('Helm', ensureHelm);
    await step('Chart', () => packChart(out, version));
  }
  if (only.has('image')) {
    await step('Image', buildImage);
    await step('Bill of materials of the image', () => saveImage(out, version));
  }
  if (!dryRun) await orStop('git', ['tag', '--annotate', tag, '--message', `Flotilla ${version}`]);
  console.log(`\nEverything is in ${out}. To publish it:${dryRun ? ' release without --dry-run first.' : ''}
  git push origin ${tag}
  npm publish --access public ${join(out, `flotilla-client-${version}.tgz`)}
  npm publish --access public ${join(out, `flotilla-backend-${version}.tgz`)}
  helm push ${join(out, `flotilla-${version}.tgz`)} oci://REGISTRY/charts
  skopeo copy docker-archive:${join(out, `flotilla-image-${version}.tar`)} docker://REGISTRY/flotilla:${version}`);
});

/** The options of the command line; undefined when the help was printed. */
function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        'dry-run': { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: parts },
        out: { type: 'string', default: 'release' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      return undefined;
    }
    const unknown = values.only.find((part) => !parts.includes(part));
    if (unknown) throw new Error(`"${unknown}" is no part of a release`);
    return { only: new Set(values.only), out: resolve(root, values.out), dryRun: values['dry-run'] };
  } catch (error) {
    throw new SetupError(`${/** @type {Error} */ (error).message}\n\n${usage}`);
  }
}

/** @param {string} tag */
async function assertReleasable(tag) {
  const changes = (await run('git', ['status', '--porcelain'])).output.trim();
  if (changes) throw new SetupError(`There are changes that are not committed:\n${changes}`);
  if ((await run('git', ['tag', '--list', tag])).output.trim())
    throw new SetupError(
      `${tag} exists. Raise the version in package.json, and where \`npm run lint\` then finds another.`,
    );
}

/** @param {string} out @param {string} version */
async function packChart(out, version) {
  const chart = join(root, 'charts', 'flotilla');
  const args = ['package', chart, '--version', version, '--app-version', version, '--destination', out];
  await orStop(helmPath(), args);
}

/** Writes the archive of the image and its bill of materials, which the image contains. @param {string} out @param {string} version */
async function saveImage(out, version) {
  copyFileSync(imageArchive, join(out, `flotilla-image-${version}.tar`));
  const container = await buildah(['from', '--pull-never', imageName]);
  try {
    const mounted = await buildah(['mount', container]);
    copyFileSync(join(mounted, 'app', 'sbom.json'), join(out, `flotilla-image-${version}.cdx.json`));
  } finally {
    await buildah(['rm', container]);
  }
}

/** @param {string} command @param {string[]} args */
async function orStop(command, args) {
  const { code, output } = await run(command, args);
  if (code !== 0) throw new SetupError(`${command} ${args[0]} failed: ${output.trim()}`);
}
