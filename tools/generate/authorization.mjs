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
    return `| \`${type}\` | ${describeRule(rule) || 'none'} | ${inRoom ? 'yes' : ''} |`;
  });
  const [before = '', rest = ''] = page.split(begin);
  const [, after = ''] = rest.split(end);
  const head = '| request | grants | membership of the room |\n| --- | --- | --- |';
  return `${before}${begin}\n\n${head}\n${rows.join('\n')}\n\n${end}${after}`;
}
