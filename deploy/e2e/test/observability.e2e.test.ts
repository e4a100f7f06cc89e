import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { LightPeer } from '@flotilla/light-peer';
import { adminUrlOf } from '@flotilla/processes';
import { hashedName } from '@flotilla/runtime';
import { MetadataClient, notYet, OtlpCollector, RawClient, waitFor } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { completeTrace, titleOf } from './complete-trace.ts';
import { metricsOf, useOwnFleet } from './use-topology.ts';

const room = 'traced';

describe('observability of a fleet', () => {
  let fleet: TestFleet;
  let collector: OtlpCollector;
  let peers: readonly LightPeer[];

  beforeAll(async () => {
    collector = await OtlpCollector.start();
  });
  afterAll(() => collector?.close());
  useOwnFleet(
    'observability',
    () => ({
      sfuNodes: 2,
      gateways: 2,
      relays: 2,
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '300' },
    }),
    (it) => (fleet = it),
  );
  const join = async (name: string, gateway: number): Promise<LightPeer> =>
    LightPeer.join({
      url: fleet.gatewayUrls[gateway]!,
      token: await fleet.api.issueToken(room, { userId: name }),
      room,
      name,
      publish: ['audio'],
    });
  beforeAll(async () => {
    await fleet.api.createRoom({ name: room });
    peers = [await join('ada', 0), await join('bob', 1)];
  });

  test('a join is one trace of the gateways, Redis, RabbitMQ and the SFU nodes', async () => {
    const since = Date.now();
    const joining = await join('cleo', 0);
    const spans = await completeTrace(collector, 'signaling-gateway: signal join', since, [
      ['signaling-gateway: redis join', 'signaling-gateway: signal join'],
      ['signaling-gateway: command sfu.open_session', 'signaling-gateway: signal join'],
      ['sfu-worker: handle sfu.open_session', 'signaling-gateway: command sfu.open_session'],
      ['signaling-gateway: deliver participant_joined', 'signaling-gateway: signal join'],
      ['sfu-worker: apply participant_joined', 'signaling-gateway: signal join'],
    ]);
    for (const span of spans) expect(span.attributes.get('flotilla.room'), titleOf(span)).toMatch(/^[0-9a-f]{16}$/);
    joining.close();
    mkdirSync('.results', { recursive: true });
    const recorded = spans.map(({ attributes: _, ...span }) => span);
    writeFileSync('.results/join-trace.json', `${JSON.stringify(recorded, null, 2)}\n`);
  });

  test('a migration is one trace from the REST request to the commit, with the requests of the client in it', async () => {
    const since = Date.now();
    const { participantId, nodeId } = peers[0]!;
    const toNode = nodeId === 'nd_1' ? 'nd_2' : 'nd_1';
    const path = `/v1/rooms/${room}/participants/${participantId}/migrate`;
    expect(await fleet.api.request('POST', path, { toNode })).toMatchObject({ status: 202 });
    await waitFor('the move', () => peers[0]!.nodeId === toNode || notYet('not yet'));
    const root = 'room-registry: rest POST /v1/rooms/:room/participants/:participant/migrate';
    const spans = await completeTrace(collector, root, since, [
      ['room-registry: begin migration', root],
      ['room-registry: redis beginMigration', 'room-registry: begin migration'],
      ['room-registry: command sfu.open_session', 'room-registry: begin migration'],
      ['sfu-worker: handle sfu.open_session', 'room-registry: command sfu.open_session'],
      ['signaling-gateway: deliver migrate', 'sfu-worker: handle sfu.open_session'],
      ['signaling-gateway: signal connect_transport', 'sfu-worker: handle sfu.open_session'],
      ['sfu-worker: handle sfu.connect_transport', 'signaling-gateway: command sfu.connect_transport'],
      ['signaling-gateway: signal publish', 'sfu-worker: handle sfu.open_session'],
      ['signaling-gateway: signal migrated', 'sfu-worker: handle sfu.open_session'],
      ['room-registry: handle registry.migrated', 'signaling-gateway: command registry.migrated'],
      ['signaling-gateway: deliver participant_moved', 'room-registry: handle registry.migrated'],
      ['sfu-worker: apply participant_moved', 'room-registry: handle registry.migrated'],
    ]);
    expect(spans.length).toBeLessThan(100);
  });

  test('a metadata publish is one trace, with its first frame from one relay to the other', async () => {
    const since = Date.now();
    const enter = async (gateway: number): Promise<{ client: RawClient; roomId: string }> => {
      const client = await RawClient.connect(fleet.gatewayUrls[gateway]!, { token: await fleet.api.issueToken(room) });
      await client.welcome();
      const { payload } = await client.request('join', { room });
      return { client, roomId: (payload as { snapshot: { room: { id: string } } }).snapshot.room.id };
    };
    const [from, to] = [await enter(0), await enter(1)];
    const publisher = await MetadataClient.connect(from.client, from.roomId);
    const subscriber = await MetadataClient.connect(to.client, to.roomId, { exceptRelay: publisher.relayId });
    await subscriber.subscribe('*');
    await publisher.publish('cursor');
    await waitFor('a frame at the other relay', () => {
      publisher.send('cursor', 'here');
      return subscriber.frames.some(({ body }) => body.case === 'shard') || notYet('none');
    });
    await completeTrace(collector, 'signaling-gateway: signal metadata.publish', since, [
      ['signaling-gateway: command relay.publish', 'signaling-gateway: signal metadata.publish'],
      ['metadata-relay: handle relay.publish', 'signaling-gateway: command relay.publish'],
      ['metadata-relay: route first frame', 'metadata-relay: handle relay.publish'],
      ['metadata-relay: forward first frame', 'metadata-relay: route first frame'],
      ['metadata-relay: receive first frame', 'metadata-relay: route first frame'],
    ]);
    for (const client of [publisher, subscriber]) client.close();
    for (const { client } of [from, to]) client.close();
  });

  test('traces have the hash of the room and of no other, and no name', async () => {
    const hashes = new Set(collector.spans.flatMap(({ attributes }) => attributes.get('flotilla.room') ?? []));
    expect([...hashes]).toEqual([hashedName('room', peers[0]!.roomId)]);
    const values = collector.spans.flatMap(({ name, attributes }) => [name, ...attributes.values()]);
    expect(values.filter((value) => value?.includes(peers[0]!.roomId) === true || value === room)).toEqual([]);
  });

  test('traces are exemplars of the latencies, and named in log lines', async () => {
    const accept = 'application/openmetrics-text; version=1.0.0';
    const url = await adminUrlOf(fleet.processes.get('gateway-1')!);
    const text = await (await fetch(`${url}/metrics`, { headers: { accept } })).text();
    const known = new Set(collector.spans.map(({ traceId }) => traceId));
    for (const name of ['signaling_join_duration_seconds', 'flotilla_command_duration_seconds']) {
      const [, traceId] = new RegExp(`^${name}_bucket\\{.* # \\{trace_id="([0-9a-f]{32})"\\}`, 'm').exec(text) ?? [];
      expect(known.has(traceId!), name).toBe(true);
    }
    const registry = fleet.processes.get('registry-1')!.lines;
    const audited = registry.map((line) => JSON.parse(line) as { trace_id?: string; msg: string });
    expect(audited.some(({ trace_id: id }) => id !== undefined && known.has(id))).toBe(true);
    // Before their gateway is stopped below, so that no session has to expire.
    for (const peer of peers) peer.close();
  });

  test('log lines contain trace ids and no tokens', async () => {
    const lines = [...fleet.processes.values()].flatMap(({ lines }) => lines);
    expect(lines.filter((line) => /eyJhbGciOi|flotilla\.token\./.test(line))).toEqual([]);
    for (const line of lines) expect(() => JSON.parse(line) as unknown, line).not.toThrow();
  });

  test.each(['gateway-1', 'registry-1', 'nd_1', 'console-1'])('%s serves metrics and probes', async (name) => {
    const get = async (path: string) => fetch(`${await adminUrlOf(fleet.processes.get(name)!)}${path}`);
    for (const path of ['/livez', '/readyz', '/startupz'])
      expect({ path, status: (await get(path)).status }).toEqual({ path, status: 200 });
    expect(await (await get('/metrics')).text()).toContain('process_cpu_seconds_total');
  });

  test('the gateway counts connections, handshakes and messages', async () => {
    const text = await metricsOf(fleet, 'gateway-1');
    expect(text).toMatch(/^signaling_active_connections \d+$/m);
    expect(text).toMatch(/^signaling_handshake_duration_seconds_count\{outcome="ok"\} 3$/m);
    expect(text).toMatch(/^signaling_messages_total\{type="join",outcome="ok"\} 3$/m);
  });

  test('a service with an invalid and an unknown setting names both and exits with 78', async () => {
    const { Child } = await import('@flotilla/processes');
    const gateway = fleet.processes.get('gateway-1')!;
    const child = new Child('gateway', gateway.process.spawnfile, gateway.process.spawnargs.slice(1), {
      env: { FLOTILLA_TOKEN_SECRET: 'short', FLOTILLA_SIGNAL_PROT: '1' },
    });
    expect(await child.exited).toBe(78);
    const said = child.lines.join('\n');
    expect(said).toContain('FLOTILLA_TOKEN_SECRET: at least 32 characters');
    expect(said).toContain('FLOTILLA_SIGNAL_PROT is not a setting of this service; did you mean FLOTILLA_SIGNAL_PORT?');
  });

  test.each(['gateway-1', 'registry-1', 'console-1'])(
    '%s stops at SIGTERM despite an idle connection',
    async (name) => {
      const child = fleet.processes.get(name)!;
      const [, url] = await child.line(/"url":"([^"]+)"/);
      const idle = connect(Number(new URL(url!).port), '127.0.0.1');
      await once(idle, 'connect');
      child.signal('SIGTERM');
      expect(await child.exited).toBe(0);
      idle.destroy();
    },
  );
});
