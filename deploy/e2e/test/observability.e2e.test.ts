import { once } from 'node:events';
import { connect } from 'node:net';
import { adminUrlOf } from '@flotilla/processes';
import { notYet, RawClient, waitFor } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { OtlpCollector } from './otlp-collector.ts';
import { metricsOf, useOwnFleet } from './use-topology.ts';

describe('observability of a fleet', () => {
  let fleet: TestFleet;
  let collector: OtlpCollector;

  beforeAll(async () => {
    collector = await OtlpCollector.start();
  });
  afterAll(() => collector?.close());
  useOwnFleet(
    'observability',
    () => ({ sfuNodes: 1, gateways: 1, env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } }),
    (it) => (fleet = it),
  );

  test('the trace of a join has spans of the gateway and of the SFU, of the command and of the event', async () => {
    const { api } = fleet;
    await api.createRoom({ name: 'traced' });
    const join = async () => {
      const client = await RawClient.connect(fleet.gatewayUrls[0]!, { token: await api.issueToken('traced') });
      const { rtpCapabilities } = (await client.event('welcome')).payload;
      expect(await client.request('join', { room: 'traced', rtpCapabilities })).toMatchObject({ ok: true });
      return client;
    };
    const first = await join();
    const second = await join();
    await first.event('participant_joined');

    const expected = [
      ['signaling-gateway', 'signal join'],
      ['signaling-gateway', 'command sfu.open_session'],
      ['sfu-worker', 'handle sfu.open_session'],
      ['signaling-gateway', 'deliver participant_joined'],
      ['sfu-worker', 'apply participant_joined'],
    ];
    await waitFor(
      'the spans of one join',
      () => {
        const traces = Map.groupBy(collector.spans, ({ traceId }) => traceId);
        const missing = [...traces.values()]
          .filter((spans) => spans.some(({ name }) => name === 'signal join'))
          .map((spans) =>
            expected.filter(([service, name]) => !spans.some((span) => span.service === service && span.name === name)),
          );
        if (!missing.some(({ length }) => length === 0))
          notYet(`missing in the traces of joins: ${JSON.stringify(missing)}`);
      },
      { timeoutMs: 20_000, everyMs: 200 },
    );
    for (const client of [first, second]) client.close();
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
    expect(text).toMatch(/^signaling_handshake_duration_seconds_count\{outcome="ok"\} 2$/m);
    expect(text).toMatch(/^signaling_messages_total\{type="join",outcome="ok"\} 2$/m);
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
