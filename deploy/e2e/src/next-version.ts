/**
 * `node --import <this file> <main.js>` runs a service as its next version: the built modules of this one with the edits below, which are
 * what the rules of docs/kubernetes/upgrade.md allow. A service does not start when an edit does not fit its module.
 */
import { registerHooks } from 'node:module';

/** The name of the field that the next version adds to all that it writes, and of its own event, command and entries. */
const news = 'news';

/** Objects whose keys are data: no field is added to them. */
const maps = new Set(['assignments', 'offsets', 'publications', 'trace']);

/** What clients send, or send back to a gateway of any version, stays as it is. */
const fromClients = new Set(['data', 'parameters', 'rtpCapabilities']);

/** A copy of a value in which each object has one more field. */
function withNews(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((each) => withNews(each));
  if (typeof value !== 'object' || value === null || fromClients.has(key)) return value;
  const fields = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withNews(each, name)]));
  return maps.has(key) ? fields : { ...fields, [news]: true };
}

Object.assign(globalThis, {
  /** `JSON.stringify` of the next version. */
  stringifyNews: (value: unknown): string => JSON.stringify(withNews(value)),
});

type Edit = readonly [before: string, after: string];

const writesMore: Edit = ['JSON.stringify(', 'stringifyNews('];

/** Edits of built modules, by the end of their path. Every occurrence is replaced. */
const edits: Readonly<Record<string, readonly Edit[]>> = {
  // A grant, a state of nodes, a reason of migrations, an event and a command more.
  'libs/contracts/dist/grants.js': [
    [`'broadcast', 'admin']`, `'broadcast', 'admin', '${news}']`],
    [`['publish', 'subscribe', 'data'])`, `['publish', 'subscribe', 'data', '${news}'])`],
  ],
  'libs/contracts/dist/node.js': [
    [`['active', 'cordoned', 'draining']`, `['active', 'cordoned', 'draining', '${news}']`],
  ],
  'libs/contracts/dist/migration.js': [[`'node_lost', 'manual']`, `'node_lost', 'manual', '${news}']`]],
  'libs/contracts/dist/room-events.js': [
    ['export const roomEvents = {', `export const roomEvents = { ${news}: z.object({ ${news}: z.boolean() }),`],
    [`variant('participant_joined'),`, `variant('participant_joined'), variant('${news}'),`],
  ],
  'libs/contracts/dist/commands.js': [
    [
      'export const sfuCommands = {',
      `export const sfuCommands = { 'sfu.${news}': { version: 1, payload: z.object({}), reply: z.object({}) },`,
    ],
  ],
  // Records have one more field.
  'libs/store/dist/redis/history.js': [writesMore],
  'libs/store/dist/redis/migrations.js': [writesMore],
  'libs/store/dist/redis/relays.js': [writesMore],
  'libs/store/dist/redis/rooms.js': [writesMore],
  'libs/store/dist/redis/nodes.js': [
    writesMore,
    // A cordoned node reports the new state.
    [
      'async report(report, peers = [], peerScores = []) {',
      `async report(report, peers = [], peerScores = []) {
        if (report.state === 'cordoned') report = { ...report, state: '${news}' };`,
    ],
  ],
  'libs/store/dist/redis/scripts/generated/scripts.js': [
    // Members keep the new grant.
    [`{ 'publish', 'subscribe', 'data' }`, `{ 'publish', 'subscribe', 'data', '${news}' }`],
    [
      'append(key.events(room), maxStreamLength, event)',
      `local more = string.gsub(event, '^{', '{"${news}":true,', 1)
  more = string.gsub(more, '"payload":{"', '"payload":{"${news}":true,"', 1)
  append(key.events(room), maxStreamLength, more)`,
    ],
    [`'{"type":"user_message",`, `'{"${news}":true,"type":"user_message",`],
  ],
  // The topology has vertices of another kind.
  'libs/store/dist/topology.js': [
    [
      'export function topologyOf(at, kinds) {',
      `export function topologyOf(at, kinds) { kinds = [...kinds, [{ kind: '${news}', id: '${news}' }]];`,
    ],
  ],
  // Commands, answers and events have one more field, and each message to a room comes after an event of the new type.
  'libs/bus/dist/commands/command-bus.js': [writesMore],
  'libs/bus/dist/events/room-log.js': [
    writesMore,
    [
      'export function appendNextRoomEvent(log, roomId, event) {',
      `export async function appendNextRoomEvent(log, roomId, event) {
    await appendRoomEvent(log, roomId, { type: '${news}', from: 'system', payload: {} });`,
    ],
  ],
  'services/signaling-gateway/dist/delivery/frames.js': [writesMore],
  'services/signaling-gateway/dist/sessions/session.js': [writesMore],
  'services/signaling-gateway/dist/negotiation/negotiations.js': [writesMore],
  'services/signaling-gateway/dist/sessions/send-welcome.js': [
    [`session.notify('welcome', {`, `session.notify('${news}', {});\n    session.notify('welcome', {`],
  ],
  // An entry of a new type precedes the notification of another gateway.
  'services/signaling-gateway/dist/messages/user-messages.js': [
    writesMore,
    [
      'const append = () => this',
      `const append = async () => await this.events.append(gatewayStream(gatewayId), '{"type":"${news}"}') && this`,
    ],
  ],
  'services/metadata-relay/dist/peers/room-exchange.js': [
    writesMore,
    [
      `await this.#append({ kind: 'open' });`,
      `await this.#append({ kind: '${news}' });\n        await this.#append({ kind: 'open' });`,
    ],
  ],
  // Participants of a draining node are migrated for the new reason.
  'services/autoscaler/dist/migration-dispatcher.js': [
    ['fromNode, toNode, reason, term };', `fromNode, toNode, reason: reason === 'drain' ? '${news}' : reason, term };`],
  ],
  // Migrations over REST have the new reason. Before the state of a node is changed, it is sent the new command.
  'services/room-registry/dist/inbound/rest.js': [[`reason: 'manual'`, `reason: '${news}'`]],
  'services/room-registry/dist/nodes.js': [
    [
      'async setState(id, state, drainSeconds) {',
      `async setState(id, state, drainSeconds) {
        await this.bus.call(sfuQueue(id), 'sfu.${news}', {}).catch((error) => {
            if (error.code !== 'UNKNOWN_TYPE') throw error;
        });`,
    ],
  ],
  'services/sfu-worker/dist/inbound/commands.js': [
    [`'sfu.ping': async () => ({}),`, `'sfu.ping': async () => ({}), 'sfu.${news}': async () => ({}),`],
  ],
};

function edited(url: string, source: string): string {
  const [, own = []] = Object.entries(edits).find(([path]) => url.endsWith(`/${path}`)) ?? [];
  return own.reduce((text, [before, after]) => {
    if (!text.includes(before)) throw new Error(`${url} does not contain ${before}`);
    return text.replaceAll(before, after);
  }, source);
}

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (loaded.format !== 'module' || !loaded.source) return loaded;
    const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source);
    return { ...loaded, source: edited(url, source) };
  },
});
