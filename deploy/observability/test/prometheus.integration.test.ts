import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { objectiveReader } from '@flotilla/console';
import { Child, freePort, startKeyOf } from '@flotilla/processes';
import { notYet, OtlpCollector, RawClient, RestApi, waitFor } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { dashboards } from '../src/dashboards/index.ts';
import { recorded, ruleGroups, wholePrometheus } from '../src/rules.ts';
import { allRunbookQueries, nameOf, pathOf, queriesOf, rulesFile } from './files.ts';

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: readonly { readonly metric: object; readonly value: readonly [number, string] }[] };
}

/** Panels about migrations, failures and the like, and about windows whose rules run after minutes. */
const notHappened =
  /: migrations: (?!peers|lost|detection|planner|instances)|resumed|dropped|repeated deliveries|failures of sweeps|failed|not closed|calls refused|retries per|snapshots: share|number of SFU pods|3 d$/;

/** The expression with what Grafana would put in for its variables. */
const filledIn = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '1m').replaceAll('$namespace', '.*').replaceAll('$node', '.*');

describe('a Prometheus that scrapes a fleet', () => {
  let folder: string;
  let fleet: Child;
  let prometheus: Child;
  let fleetUrl: string;
  let prometheusUrl: string;
  let collector: OtlpCollector;

  beforeAll(async () => {
    collector = await OtlpCollector.start();
    folder = mkdtempSync(join(tmpdir(), 'flotilla-prometheus-'));
    const [port, adminPort, prometheusPort] = [await freePort(), await freePort(), await freePort()];
    fleetUrl = `http://127.0.0.1:${port}`;
    prometheusUrl = `http://127.0.0.1:${prometheusPort}`;
    fleet = new Child('fleet', process.execPath, [fileURLToPath(import.meta.resolve('@flotilla/standalone'))], {
      env: {
        PATH: process.env['PATH'],
        MEDIASOUP_WORKER_BIN: process.env['MEDIASOUP_WORKER_BIN'],
        FLOTILLA_PORT: String(port),
        FLOTILLA_ADMIN_PORT: String(adminPort),
        FLOTILLA_SFU_NODES: '2',
        FLOTILLA_SFU_WORKERS: '1',
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      },
    });
    const config = join(folder, 'prometheus.yaml');
    writeFileSync(
      config,
      stringify({
        global: { scrape_interval: '1s', evaluation_interval: '1s' },
        rule_files: [pathOf(rulesFile)],
        scrape_configs: [{ job_name: 'flotilla', static_configs: [{ targets: [`127.0.0.1:${adminPort}`] }] }],
      }),
    );
    prometheus = new Child('prometheus', 'prometheus', [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${prometheusPort}`,
      '--enable-feature=exemplar-storage',
    ]);
    await Promise.all([fleet.line(/Flotilla is ready/), prometheus.line(/Server is ready to receive web requests/)]);
    await makeTraffic();
  });
  afterAll(async () => {
    await Promise.all([fleet?.stop(), prometheus?.stop()]);
    collector?.close();
    rmSync(folder, { recursive: true });
  });

  async function query(expr: string): Promise<Answer> {
    const body = new URLSearchParams({ query: expr });
    return (await (await fetch(`${prometheusUrl}/api/v1/query`, { method: 'POST', body })).json()) as Answer;
  }

  async function enter(api: RestApi): Promise<{ client: RawClient; roomId: string }> {
    const client = await RawClient.connect(fleetUrl, { token: await api.issueToken('measured') });
    const { rtpCapabilities } = (await client.event('welcome')).payload;
    const { ok, payload } = await client.request('join', { room: 'measured', rtpCapabilities });
    expect(ok).toBe(true);
    return { client, roomId: (payload as { snapshot: { room: { id: string } } }).snapshot.room.id };
  }

  /** Joins, opens media again, and reports both as the SDK does. */
  async function joinAndRecover(api: RestApi): Promise<void> {
    const { client, roomId } = await enter(api);
    const to = `room:${roomId}`;
    const { rtpCapabilities } = (await client.event('welcome')).payload;
    await client.request('media_report', { measure: 'first_frame', ms: 300 }, to);
    expect(await client.request('open_media', { rtpCapabilities }, to)).toMatchObject({ ok: true });
    await client.request('media_report', { measure: 'recovery', ms: 900 }, to);
    client.close();
  }

  /** Joins and sends messages until Prometheus has recorded them: a rate needs two scrapes. */
  async function makeTraffic(): Promise<void> {
    const api = new RestApi(fleetUrl, await startKeyOf(fleet));
    await api.createRoom({ name: 'measured' });
    const { client, roomId } = await enter(api);
    await waitFor(
      'recorded messages',
      async () => {
        await joinAndRecover(api);
        await client.request('message', { data: 1 }, `room:${roomId}`);
        await api.request('GET', '/v1/rooms/unknown');
        for (const sli of ['join_time', 'recovery_time', 'dispatch_time', 'rest_success'])
          if (!(await hasSeries(`${recorded.ratio('5m')}{sli="${sli}"}`))) notYet(`no series of ${sli}`);
      },
      { timeoutMs: 40_000, everyMs: 500 },
    );
  }

  const hasSeries = async (expr: string): Promise<boolean> => (await query(expr)).data.result.length > 0;

  test('parses and evaluates the expression of every rule, panel and runbook', async () => {
    const rules = ruleGroups(wholePrometheus).flatMap((group) => group.rules);
    const expressions = [
      ...rules.map((rule) => ({ of: nameOf(rule), expr: rule.expr })),
      ...Object.values(dashboards).flatMap(queriesOf),
      ...allRunbookQueries(),
    ];
    const failed = [];
    for (const { of, expr } of expressions) {
      const { status, error } = await query(filledIn(expr));
      if (status !== 'success') failed.push({ of, expr, error });
    }
    expect(failed).toEqual([]);
  });

  test.each([
    ...['join_success', 'join_time', 'request_success', 'dispatch_time', 'rest_success', 'rest_time'],
    ...['command_success', 'command_time', 'command_wait_time', 'commands_once', 'tokens_once', 'media_quality'],
    ...['first_frame_time', 'recovery_time'],
  ])('records the share of bad events of %s, below one half', async (sli) => {
    expect(await hasSeries(`${recorded.ratio('5m')}{sli="${sli}"} < 0.5`)).toBe(true);
  });

  test.each([
    ...['sfu_worker_cpu', 'media_loss', 'peers_waiting', 'event_loop_delay', 'gc_share', 'sweep_age'],
    ...['command_backlog', 'stream_lag'],
  ])('records the level of %s', async (sli) => {
    expect(await hasSeries(`${recorded.level}{sli="${sli}"} >= 0`)).toBe(true);
  });

  test('has the burn rates and levels that the operations page of the console shows', async () => {
    const reader = objectiveReader(
      { FLOTILLA_PROMETHEUS_URL: prometheusUrl, FLOTILLA_PROMETHEUS_MATCHERS: '' },
      { warn: () => undefined },
    );
    const { prometheus: state, objectives } = await reader.read();
    expect(state).toBe('answered');
    const found = (id: string) => objectives.find((each) => each.id === id);
    expect(found('join_time')).toMatchObject({ burn: { '1h': expect.any(Number) as number } });
    expect(found('sfu_worker_cpu')).toMatchObject({ value: expect.any(Number) as number });
    expect(objectives.filter(({ firing }) => firing)).toEqual([]);
  });

  test('has series for every panel, but for what has not happened', async () => {
    const withData = new Set<string>();
    const queries = Object.values(dashboards).flatMap(queriesOf);
    for (const { of, expr } of queries) if (await hasSeries(filledIn(expr))) withData.add(of);
    const empty = new Set(queries.map(({ of }) => of).filter((panel) => !withData.has(panel)));
    const unexpected = [...empty].filter((panel) => !notHappened.test(panel));
    expect(unexpected).toEqual([]);
  });

  test('fires no alert of a fleet without faults', async () => {
    const { data } = await query('ALERTS{alertstate="firing"}');
    expect(data.result.map(({ metric }) => metric)).toEqual([]);
  });

  test('has traces as exemplars of the time of joins', async () => {
    const now = Date.now() / 1000;
    const params = new URLSearchParams({
      query: 'signaling_join_duration_seconds_bucket',
      start: String(now - 300),
      end: String(now + 60),
    });
    const answer = await fetch(`${prometheusUrl}/api/v1/query_exemplars?${params}`);
    const { data } = (await answer.json()) as { data: { exemplars: { labels: { trace_id: string } }[] }[] };
    const traces = data.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels.trace_id));
    expect(traces).toContainEqual(expect.stringMatching(/^[0-9a-f]{32}$/));
  });

  test('has answers of REST by the class of their status', async () => {
    for (const status of ['2xx', '4xx'])
      expect(await hasSeries(`registry_rest_duration_seconds_count{status="${status}"} > 0`), status).toBe(true);
  });
});
