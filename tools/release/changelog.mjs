// The changelog, from the commits since the last release (Conventional Commits).
import { run, SetupError } from '../setup/steps.mjs';

/** Sections by type of commit; the others are of no interest to users. @type {readonly [title: string, type: string][]} */
const sections = [
  ['Features', 'feat'],
  ['Fixes', 'fix'],
  ['Performance', 'perf'],
];

/** @param {readonly string[]} args */
async function git(...args) {
  const { code, output } = await run('git', [...args]);
  if (code !== 0) throw new SetupError(`git ${args[0]} failed: ${output.trim()}`);
  return output.trim();
}

/**
 * The changes of a version as Markdown: of the commits since the last tag `v*`, or of all.
 * @param {string} version
 */
export async function changelog(version) {
  const tags = await git('tag', '--list', 'v*', '--sort=-version:refname', '--merged', 'HEAD');
  const last = tags.split('\n').find((tag) => tag !== '' && tag !== `v${version}`);
  const log = await git('log', '--no-merges', '--format=%h%x09%s', ...(last ? [`${last}..HEAD`] : []));
  const day = await git('log', '-1', '--format=%cs');
  const commits = log.split('\n').flatMap((line) => {
    const [, hash, type, scope, breaking, summary] = /^(\w+)\t(\w+)(?:\(([^)]*)\))?(!)?: (.+)$/.exec(line) ?? [];
    return hash && summary ? [{ hash, type, scope, breaking: breaking === '!', summary }] : [];
  });
  /** @param {(typeof commits)[number]} commit */
  const entry = ({ hash, scope, summary }) => `- ${scope ? `**${scope}**: ` : ''}${summary} (${hash})`;
  /** @param {string} title @param {typeof commits} chosen */
  const section = (title, chosen) => (chosen.length === 0 ? [] : [`### ${title}`, chosen.map(entry).join('\n')]);
  return `${[
    '# Changelog',
    `## ${version} (${day})`,
    ...section(
      'Breaking changes',
      commits.filter(({ breaking }) => breaking),
    ),
    ...sections.flatMap(([title, type]) =>
      section(
        title,
        commits.filter((commit) => commit.type === type),
      ),
    ),
  ].join('\n\n')}\n`;
}
