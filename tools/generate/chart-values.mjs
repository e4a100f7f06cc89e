import { parse } from 'yaml';
import { between } from './between.mjs';

const marks = { begin: '<!-- values -->', end: '<!-- /values -->' };

/**
 * The documented values of a chart: a comment that begins with `# --` describes the key below it.
 * @param {string} text values.yaml
 */
function documentedValues(text) {
  /** @type {{ path: string[], description: string }[]} */
  const found = [];
  /** @type {{ indent: number, key: string }[]} */
  let parents = [];
  let description = '';
  for (const line of text.split('\n')) {
    const [, comment] = /^\s*# ?(.*)$/.exec(line) ?? [];
    if (comment !== undefined) {
      if (comment.startsWith('-- ')) description = comment.slice(3);
      else if (description) description += ` ${comment}`;
      continue;
    }
    const [, space = '', key] = /^( *)([A-Za-z]\w*):/.exec(line) ?? [];
    if (key === undefined) continue;
    parents = [...parents.filter(({ indent }) => indent < space.length), { indent: space.length, key }];
    if (description) found.push({ path: parents.map((each) => each.key), description });
    description = '';
  }
  return found;
}

/**
 * The README of the chart, with the table of its values from values.yaml.
 * @param {string} readme
 * @param {string} values
 */
export function withChartValues(readme, values) {
  const defaults = parse(values);
  const rows = documentedValues(values).map(({ path, description }) => {
    const value = path.reduce((object, key) => object[key], defaults);
    const shown = JSON.stringify(value).replaceAll('|', '\\|');
    return `| \`${path.join('.')}\` | \`${shown}\` | ${description} |`;
  });
  return between(readme, marks, `| value | default | meaning |\n| --- | --- | --- |\n${rows.join('\n')}`);
}
