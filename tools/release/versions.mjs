// Checks that everything that names the version of the release names that of package.json.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from '../setup/steps.mjs';

/** Git's patterns of files, and how these name the version. @type {readonly [files: string, name: RegExp][]} */
const places = [
  ['*package.json', /^ {2}"version": "(.+)"/gm],
  ['charts/*Chart.yaml', /^(?:version|appVersion): (\S+)/gm],
  ['deploy/kustomize/*kustomization.yaml', /name: flotilla\/flotilla, newTag: ([^ ,}]+)/g],
  ['*.md', /\bflotilla\/flotilla:(\d[\w.-]*)/g],
];

/** Names of other versions, one sentence each. */
export async function wrongVersions() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const wrong = [];
  for (const [files, name] of places) {
    const { output } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', files]);
    for (const path of output.split('\n').filter((line) => line !== '' && existsSync(join(root, line))))
      for (const [, named] of readFileSync(join(root, path), 'utf8').matchAll(name))
        if (named !== version) wrong.push(`${path} names version ${named}, and package.json ${version}`);
  }
  return wrong;
}
