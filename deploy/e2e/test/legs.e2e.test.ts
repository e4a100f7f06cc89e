import { CommandBus, RabbitMqCommandTransport } from '@flotilla/bus';
import { newId, registryQueue } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { notYet, OtlpCollector, RawClient, type Span, waitFor } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { useOwnFleet } from './use-topology.ts';

/** Messages that a span stands for; docs/decisions/0003-state.md defines a leg. The first kind that matches counts. */
const legsBySpan: readonly [kind: string, legs: number][] = [
  // Request and reply.
  ['redis ', 2],
  // Publish and delivery, each for the command and for its answer.
  ['command ', 4],
  // The frames of the request and of its reply.
  ['signal ', 2],
  // From Redis to the gateway, and the frame to the client.
  ['deliver ', 2],
];
/** Those of a command whose answer is not waited for. */
const commandLegs = 2;
const isEvent = ({ name }: Span): boolean => /^(deliver|follow) /.test(name);

/** An operation, by the span that it begins with. */
interface Operation {
  readonly what: string;
  readonly isFirst: (span: Span) => boolean;
  /** The event that answers the client, if it is not a reply. */
  readonly event?: string;
}

/** The spans of an operation up to the client's answer. Throws while some have not been exported. */
function pathOf({ what, isFirst, event }: Operation, spans: readonly Span[]): Span[] {
  const path = [spans.find(isFirst) ?? notYet(`no first span of ${what}`)];
  for (const { id, name } of path) {
    // Requests with which the client goes on are in the trace of the migration, too.
    const children = spans.filter((span) => span.parentId === id && !span.name.startsWith('signal '));
    if (name.startsWith('command ') && children.length === 0) notYet(`no handler of ${name} in ${what}`);
    path.push(...children.filter((child) => !isEvent(child) || child.name === `deliver ${event}`));
  }
  if (event !== undefined && !path.some(isEvent)) notYet(`no ${event} in ${what}`);
  return path;
}

/** The legs of each span of a path. A command in which the event is appended is answered after it. */
function legsOf(path: readonly Span[]): [name: string, legs: number][] {
  const above = new Set<string>();
  for (let span = path.find(isEvent); span; span = path.find(({ id }) => id === span.parentId))
    above.add(span.parentId);
  return path.flatMap((span): [string, number][] => {
    const [, legs] = legsBySpan.find(([kind]) => span.name.startsWith(kind)) ?? [];
    if (legs === undefined) return [];
    return [[span.name, span.name.startsWith('command ') && above.has(span.id) ? commandLegs : legs]];
  });
}

describe('messages between processes until the client has its answer', () => {
  let fleet: TestFleet;
  let bus: CommandBus;
  let collector: OtlpCollector;

  beforeAll(async () => {
    collector = await OtlpCollector.start();
  });
  afterAll(() => collector?.close());
  useOwnFleet(
    'legs',
    () => ({ sfuNodes: 2, gateways: 1, env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } }),
    (it) => (fleet = it),
  );
  beforeAll(async () => {
    const log = createLogger({ service: 'test', level: 'error' });
    const { amqpUrl: url, namespace } = fleet;
    bus = new CommandBus(await RabbitMqCommandTransport.connect({ url, namespace, log }), log);
  });
  afterAll(() => bus?.close());

  const join = async (room: string) => {
    const client = await RawClient.connect(fleet.gatewayUrls[0]!, { token: await fleet.api.issueToken(room) });
    const { rtpCapabilities, sessionId } = await client.welcome();
    const reply = await client.request('join', { room, rtpCapabilities });
    expect(reply).toMatchObject({ ok: true });
    const { snapshot } = reply.payload as { snapshot: { room: { id: string } } };
    const signal = (type: string) => (span: Span) =>
      span.name === `signal ${type}` && span.attributes.get('flotilla.session') === sessionId;
    const request = async (type: string, payload: object = {}) => {
      expect(await client.request(type, payload, `room:${room}`)).toMatchObject({ ok: true });
    };
    /** Migrates as the planner does. Returns the id of the command. */
    const migrate = async (): Promise<string> => {
      const commandId = newId('migration');
      const known = client.events.length;
      const command = { roomId: snapshot.room.id, sessionId, reason: 'manual' } as const;
      const { migration } = await bus.call(registryQueue, 'registry.migrate', command, { commandId });
      await waitFor('the client is notified', () =>
        client.events.slice(known).some(({ type }) => type === 'migrate') ? undefined : notYet('no event'),
      );
      await request('migrated', { migrationId: migration.id });
      return commandId;
    };
    return { client, signal, request, migrate };
  };

  test('a join takes 10, a leave 4, a migration 12, or 20 with a first pipe, until its client is notified, and its commit 8', async () => {
    await Promise.all(['calm', 'piped'].map((name) => fleet.api.createRoom({ name })));
    const ada = await join('calm');
    const bob = await join('calm');
    const migration = await ada.migrate();
    await bob.request('leave');
    const [migrated, publisher] = [await join('piped'), await join('piped')];
    const codecs = [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }];
    const rtpParameters = { mid: '0', codecs, encodings: [{ ssrc: 1 }] };
    await publisher.request('publish', { kind: 'audio', source: 'microphone', muted: false, rtpParameters });
    const pipedMigration = await migrated.migrate();

    const migrate = (what: string, commandId: string): Operation => ({
      what,
      isFirst: ({ name, attributes }) =>
        name === 'handle registry.migrate' && attributes.get('flotilla.command_id') === commandId,
      event: 'migrate',
    });
    const operations: Operation[] = [
      { what: 'join, first of the room', isFirst: ada.signal('join') },
      { what: 'join, second of the room', isFirst: bob.signal('join') },
      migrate('migrate', migration),
      migrate('migrate, first pipe to the new node', pipedMigration),
      { what: 'commit', isFirst: ada.signal('migrated') },
      { what: 'leave', isFirst: bob.signal('leave') },
    ];
    const paths = await waitFor(
      'all spans are exported',
      () => operations.map((operation) => pathOf(operation, collector.spans)),
      { timeoutMs: 20_000, everyMs: 200 },
    );
    const rows = paths.map((path, index) => {
      const parts = legsOf(path);
      // The planner's command to the registry: its caller is not traced here.
      if (path[0]!.name.startsWith('handle ')) parts.unshift(['command registry.migrate', commandLegs]);
      const legs = parts.reduce((sum, [, each]) => sum + each, 0);
      return { what: operations[index]!.what, legs, parts: parts.map((part) => part.join(' ')) };
    });
    console.log(rows.map(({ what, legs, parts }) => `${what}: ${legs} = ${parts.join(', ')}`).join('\n'));
    expect(Object.fromEntries(rows.map(({ what, legs }) => [what, legs]))).toEqual({
      'join, first of the room': 10,
      'join, second of the room': 10,
      migrate: 12,
      'migrate, first pipe to the new node': 20,
      commit: 8,
      leave: 4,
    });
    for (const { client } of [ada, bob, migrated, publisher]) client.close();
  });
});
