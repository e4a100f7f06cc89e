const begin = '<!-- requests -->';
const end = '<!-- /requests -->';

/**
 * The guide to authorization, with the table of requests and the grants that they need.
 * @param {string} page
 * @param {typeof import('@flotilla/contracts')} contracts
 */
export function withGrants(page, { describeRule, requestGrants, signalRequests }) {
  const rows = Object.entries(requestGrants).map(([type, rule]) => {
    const inRoom = signalRequests[/** @type {keyof typeof signalRequests} */ (type)].to === 'room';
    return [`\`${type}\``, describeRule(rule) || 'none', inRoom ? 'yes' : ''];
  });
  const [before = '', rest = ''] = page.split(begin);
  const [, after = ''] = rest.split(end);
  const table = aligned([['request', 'grants', 'membership of the room'], ...rows]);
  return `${before}${begin}\n\n${table}\n\n${end}${after}`;
}

/**
 * A Markdown table as the formatter writes it. The first row is its head.
 * @param {readonly (readonly string[])[]} rows
 */
function aligned(rows) {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (/** @type {readonly string[]} */ row) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)].join('\n');
}
