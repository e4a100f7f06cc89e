// Checks what the documents point to: relative links with their anchors, and paths such as `libs/store/src`.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root, run } from './setup/steps.mjs';

const link = /\]\((?!\w+:)(?<target>[^)\s#]*)(?:#(?<anchor>[^)\s]+))?\)/g;
/** A path from the root of the checkout, without placeholders. */
const path = /`(?<target>(?:chaos|charts|deploy|docs|examples|libs|loadtest|services|tools)\/[\w./-]+)`/g;

/** The anchors of a document's headings, as GitHub makes them. @param {string} text */
const anchorsOf = (text) =>
  new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );

/** @param {string} file */
function brokenIn(file) {
  const text = readFileSync(join(root, file), 'utf8');
  const broken = [];
  for (const { groups } of text.replaceAll(/^```.*?^```/gms, '').matchAll(link)) {
    const { target = '', anchor } = groups ?? {};
    const linked = target === '' ? file : join(dirname(file), target);
    if (!existsSync(join(root, linked))) broken.push(`${target} does not exist`);
    else if (anchor && linked.endsWith('.md') && !anchorsOf(readFileSync(join(root, linked), 'utf8')).has(anchor))
      broken.push(`${linked} has no heading #${anchor}`);
  }
  for (const { groups } of text.matchAll(path))
    if (!existsSync(join(root, groups?.['target'] ?? ''))) broken.push(`${groups?.['target']} does not exist`);
  return broken.map((problem) => `${file}: ${problem}`);
}

/** The paths of all documents. */
export async function documentPaths() {
  const { output } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
    cwd: root,
  });
  return output.split('\n').filter((path) => path !== '' && existsSync(join(root, path)));
}

/** Links and paths of the documents that lead nowhere, one sentence each. */
export const brokenLinks = async () => (await documentPaths()).flatMap(brokenIn);
