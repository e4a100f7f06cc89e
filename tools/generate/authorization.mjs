import { between } from './between.mjs';
import { aligned } from './table.mjs';

/**
 * The guide to authorization, with the tables of requests and grants, and of scopes and routes.
 * @param {string} page
 * @param {typeof import('@flotilla/contracts')} contracts
 */
export function withGrants(page, { ApiScope, describeRule, requestGrants, restRoutes, signalRequests }) {
  const requests = Object.entries(requestGrants).map(([type, rule]) => {
    const inRoom = signalRequests[/** @type {keyof typeof signalRequests} */ (type)].to === 'room';
    return [`\`${type}\``, describeRule(rule) || 'none', inRoom ? 'yes' : ''];
  });
  const scopes = ApiScope.options.map((scope) => {
    const routes = Object.values(restRoutes).filter((route) => route.scope === scope);
    return [`\`${scope}\``, routes.map(({ method, path }) => `\`${method.toUpperCase()} ${path}\``).join(', ')];
  });
  return [
    { mark: 'requests', rows: [['request', 'grants', 'membership of the room'], ...requests] },
    { mark: 'scopes', rows: [['scope', 'allows'], ...scopes] },
  ].reduce(
    (text, { mark, rows }) => between(text, { begin: `<!-- ${mark} -->`, end: `<!-- /${mark} -->` }, aligned(rows)),
    page,
  );
}
