import { between } from './between.mjs';
import { aligned } from './table.mjs';

/**
 * The guide to the users of the brokers, with the tables of what each may do.
 * @param {string} page
 * @param {typeof import('@flotilla/backplane')} backplane
 */
export function withBrokerUsers(page, { brokerUserNames: users, brokerUses, commandEffects, redisAccessOf }) {
  const accesses = users.map(redisAccessOf);
  const effects = accesses.map(({ keys }) => {
    /** @type {Map<string, Set<string>>} */
    const byKey = new Map();
    for (const [command, on] of keys)
      for (const key of on) byKey.set(key, (byKey.get(key) ?? new Set()).add(commandEffects.get(command) ?? ''));
    return byKey;
  });
  const letters = (/** @type {Set<string> | undefined} */ found) =>
    ['read', 'write'].map((effect) => (found?.has(effect) ? effect.charAt(0) : '')).join('');
  const sorted = (/** @type {Iterable<string>} */ names) => [...new Set(names)].sort();
  const keys = sorted(effects.flatMap((byKey) => [...byKey.keys()])).map((key) => [
    `\`${key}\``,
    ...effects.map((byKey) => letters(byKey.get(key))),
  ]);
  const channels = sorted(accesses.flatMap(({ publishes, subscribes }) => [...publishes, ...subscribes])).map(
    (name) => [
      `\`${name}\``,
      ...accesses.map(({ publishes, subscribes }) =>
        [publishes.has(name) ? 'publish' : '', subscribes.has(name) ? 'subscribe' : ''].filter(Boolean).join(', '),
      ),
    ],
  );
  const commands = users.map((user) => {
    /** @type {{ serves?: string, calls?: readonly string[] }} */
    const { serves = '', calls = [] } = brokerUses[user].commands;
    return [user, serves && `\`${serves}\``, calls.map((called) => `\`${called}\``).join(', ')];
  });
  return [
    { mark: 'keys', rows: [['key', ...users], ...keys] },
    { mark: 'channels', rows: [['channel', ...users], ...channels] },
    { mark: 'commands', rows: [['user', 'serves', 'sends commands to'], ...commands] },
  ].reduce(
    (text, { mark, rows }) => between(text, { begin: `<!-- ${mark} -->`, end: `<!-- /${mark} -->` }, aligned(rows)),
    page,
  );
}
