// Checks commit messages: Conventional Commits, at most 72 characters in the summary (CONTRIBUTING.md).
import { root, run } from './setup/steps.mjs';

/** The commits up to this one are exempt. */
const base = 'b9ba84b';
const summaryLength = 72;
const types = ['feat', 'fix', 'perf', 'refactor', 'test', 'docs', 'build', 'ci', 'chore'];
const convention = new RegExp(`^(${types.join('|')})(\\([a-z0-9-]+\\))?!?: [^A-Z\\s].*[^.\\s]$`);

/** @param {readonly string[]} args */
const git = (...args) => run('git', args, { cwd: root });

/** @param {string} summary the first line of a message */
function problemOf(summary) {
  if (summary.length > summaryLength) return `${summary.length} characters, more than ${summaryLength}`;
  if (!convention.test(summary)) return `not "type(scope): summary" with one of ${types.join(', ')}`;
  return undefined;
}

/**
 * Returns the commits that break the convention, one a line; undefined without any, or outside a Git repository. A shallow
 * clone may lack the base: its last commit is checked then.
 */
export async function commitProblems() {
  if ((await git('rev-parse', '--git-dir')).code !== 0) return undefined;
  const hasBase = (await git('merge-base', '--is-ancestor', base, 'HEAD')).code === 0;
  const range = hasBase ? [`${base}..HEAD`] : ['-1', 'HEAD'];
  const { output } = await git('log', '--no-merges', '--format=%h %s', ...range);
  const problems = output.split('\n').flatMap((line) => {
    const [, commit, summary] = /^(\w+) (.*)$/.exec(line) ?? [];
    const problem = summary === undefined ? undefined : problemOf(summary);
    return problem ? [`${commit} ${summary}: ${problem}`] : [];
  });
  return problems.length === 0 ? undefined : problems.join('\n');
}
