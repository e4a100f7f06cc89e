import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { brokerUses, brokerUserNames } from '../src/index.ts';
import { type BrokerUse, differences } from './broker-uses/compare.ts';
import { sourceUses } from './broker-uses/source-uses.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
const path = 'libs/backplane/src/broker-users.ts';
const table = { path, text: readFileSync(`${root}/${path}`, 'utf8') };

/** Where the source of each user's service is. */
const folders = {
  gateway: 'services/signaling-gateway',
  registry: 'services/room-registry',
  sfu: 'services/sfu-worker',
  relay: 'services/metadata-relay',
  autoscaler: 'services/autoscaler',
} as const satisfies Record<keyof typeof brokerUses, string>;

describe('the table of broker uses', () => {
  test('has every service that connects to the brokers', () => {
    const connecting = globSync('services/*/package.json', { cwd: root })
      .filter((manifest) => readFileSync(`${root}/${manifest}`, 'utf8').includes('"@flotilla/backplane"'))
      .map((manifest) => manifest.replace('/package.json', ''))
      // It has every service in one process, and no brokers.
      .filter((folder) => folder !== 'services/standalone');
    expect(connecting.toSorted()).toEqual(Object.values(folders).toSorted());
  });

  test('has what the source of each service uses, and nothing else', () => {
    const found = sourceUses(root, Object.values(folders));
    expect(
      brokerUserNames.flatMap((user) =>
        differences(user, folders[user], brokerUses[user], found.get(folders[user])!, table),
      ),
    ).toEqual([]);
  });
});

describe('the comparison of a table with the source of a service', () => {
  const folder = 'libs/backplane/test/broker-uses/fixture';
  const source = `${folder}/src/service.ts`;
  const uses = sourceUses(root, [folder]).get(folder)!;
  const complete: BrokerUse = {
    commands: { serves: 'own', calls: ['sfu'] },
    streams: { subscribes: ['sfu:stats'], reads: ['own:*', '{*}:events'], appends: ['gateway:*', '{*}:events'] },
    store: ['rooms.get', 'nodes.list', 'relays.list', 'sessions.isResumable', 'topology'],
  };
  const text = `{\n  sfu: {\n  },\n  own: {\n    commands: {},\n    store: [\n      'rooms.list',\n    ],\n  },\n}`;
  const compare = (allowed: BrokerUse): string[] =>
    differences('own', folder, allowed, uses, { path: 'table.ts', text }).filter(
      (line) => !line.includes('cannot tell'),
    );
  const lineOf = (code: string): number =>
    readFileSync(`${root}/${source}`, 'utf8')
      .split('\n')
      .findIndex((line) => line.includes(code)) + 1;

  test('finds nothing in a complete table', () => {
    expect(compare(complete)).toEqual([]);
  });

  test.each([
    ['rooms.get', 'this.rooms.get'],
    ['nodes.list', 'this.nodes.list'],
    ['relays.list', 'relays.list()'],
    ['sessions.isResumable', 'view(store.sessions)'],
    ['topology', 'store.topology()'],
  ])('reports the missing method %s where the service calls it', (method, code) => {
    expect(compare({ ...complete, store: complete.store.filter((name) => name !== method) })).toEqual([
      `${source}:${lineOf(code)}: the user own may not do this. Add to own.store in table.ts: '${method}',`,
    ]);
  });

  test.each([
    ['subscribes', 'sfu:stats', 'events.subscribe(nodeStream'],
    ['reads', 'own:*', 'events.readAfter(own'],
    ['reads', '{*}:events', 'events.lastOffset(roomStream'],
    ['appends', 'gateway:*', 'this.log.append(gatewayStream'],
    ['appends', '{*}:events', 'await appendRoomEvent'],
  ] as const)('reports a stream that is missing from %s: %s', (kind, stream, code) => {
    const others = complete.streams[kind]!.filter((name) => name !== stream);
    expect(compare({ ...complete, streams: { ...complete.streams, [kind]: others } })).toEqual([
      `${source}:${lineOf(code)}: the user own may not do this. Add to own.streams.${kind} in table.ts: '${stream}',`,
    ]);
  });

  test('reports commands that are missing, sent and handled', () => {
    expect(compare({ ...complete, commands: {} })).toEqual([
      `${source}:${lineOf('bus.call(')}: the user own may not do this. Add to own.commands.calls in table.ts: 'sfu',`,
      `${source}:${lineOf('bus.serve(')}: the user own may not do this. Add to own.commands.serves in table.ts: 'own',`,
    ]);
  });

  test('reports what the service does not use, with the line of the table', () => {
    const { commands, store } = complete;
    const allowed = {
      ...complete,
      commands: { ...commands, calls: ['sfu', 'relay'] },
      store: [...store, 'rooms.list'],
    };
    expect(compare(allowed)).toEqual([
      `table.ts:7: nothing in ${folder} needs 'rooms.list'. Remove it from own.store.`,
      `table.ts:4: nothing in ${folder} needs 'relay'. Remove it from own.commands.calls.`,
    ]);
  });

  test('reports a stream that the source does not name', () => {
    expect(differences('own', folder, complete, uses, { path: 'table.ts', text })).toEqual([
      expect.stringMatching(
        `^${source}:${lineOf('events.lastOffset(stream)')}: cannot tell what streams.reads is used`,
      ),
    ]);
  });

  test('reports an entry that is removed from the real table', () => {
    const { relay } = folders;
    const allowed = { ...brokerUses.relay, store: brokerUses.relay.store.filter((name) => name !== 'relays.retain') };
    expect(differences('relay', relay, allowed, sourceUses(root, [relay]).get(relay)!, table)).toEqual([
      expect.stringMatching(
        /^services\/metadata-relay\/src\/[\w/-]+\.ts:\d+: .+ Add to relay\.store in .+: 'relays\.retain',$/,
      ),
    ]);
  });
});
