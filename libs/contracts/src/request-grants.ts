import type { Grant } from './grants.ts';
import type { RequestType } from './signal.ts';

/** What a session must hold to send a request. */
export type GrantRule =
  | 'none'
  | { readonly anyOf: readonly Grant[] }
  | { readonly allOf: readonly Grant[] }
  /** By the address of the request: to every session (`*`), or to a room or a user. */
  | { readonly toEverybody: Grant; readonly toOthers: Grant };

const one = (grant: Grant): GrantRule => ({ allOf: [grant] });
/** Giving something up, or reporting on what one has, needs no grant. Requests about a room need its membership as well. */
const none = 'none';
const media: GrantRule = { anyOf: ['publish', 'subscribe'] };

/** The grants that each request needs. Checked by the gateway; the SFU nodes, the relays and the store check what they create. */
export const requestGrants = {
  join: { anyOf: ['publish', 'subscribe', 'data'] },
  resume: none,
  list_participants: { anyOf: ['publish', 'subscribe', 'data'] },
  leave: none,
  open_media: media,
  connect_transport: media,
  restart_ice: media,
  publish: one('publish'),
  unpublish: none,
  mute: one('publish'),
  subscribe: one('subscribe'),
  unsubscribe: none,
  update_subscriptions: one('subscribe'),
  message: { toEverybody: 'broadcast', toOthers: 'data' },
  migrated: none,
  migration_failed: none,
  migration_report: none,
  media_report: none,
  negotiate: { allOf: ['publish', 'subscribe'] },
  'metadata.connect': media,
  'metadata.disconnect': none,
  'metadata.publish': one('publish'),
  'metadata.unpublish': none,
  'metadata.subscribe': one('subscribe'),
  'metadata.unsubscribe': none,
  'metadata.report': none,
  refresh_token: none,
  watch_topology: one('admin'),
  unwatch_topology: none,
  drill: one('admin'),
  ping: none,
} as const satisfies Readonly<Record<RequestType, GrantRule>>;

/** The grants of a rule in words: `publish` or `subscribe`. */
export function describeRule(rule: GrantRule): string {
  const quoted = (grants: readonly Grant[], word: string): string =>
    grants.map((grant) => `\`${grant}\``).join(` ${word} `);
  if (rule === 'none') return '';
  if ('anyOf' in rule) return quoted(rule.anyOf, 'or');
  if ('allOf' in rule) return quoted(rule.allOf, 'and');
  return `\`${rule.toEverybody}\` to every session, else \`${rule.toOthers}\``;
}

/** Whether grants cover a request of this type and address. */
export function coversRequest(grants: readonly Grant[], type: RequestType, to: string | undefined): boolean {
  const rule: GrantRule = requestGrants[type];
  if (rule === 'none') return true;
  if ('anyOf' in rule) return rule.anyOf.some((grant) => grants.includes(grant));
  if ('allOf' in rule) return rule.allOf.every((grant) => grants.includes(grant));
  return grants.includes(to === '*' ? rule.toEverybody : rule.toOthers);
}
