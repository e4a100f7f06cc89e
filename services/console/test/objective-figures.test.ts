import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { objectives } from '../src/generated/objectives.ts';
import { ObjectiveReader } from '../src/operations/objective-figures.ts';
import { Prometheus } from '../src/operations/prometheus.ts';

type Series = readonly (readonly [labels: Readonly<Record<string, string>>, value: string])[];

const log = { warn: () => undefined };

describe('the figures of the objectives', () => {
  let server: Server;
  let queries: string[];
  let answer: (query: string, response: ServerResponse) => void;
  let url: string;

  beforeEach(async () => {
    queries = [];
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const query = new URLSearchParams(body).get('query') ?? '';
        queries.push(`${request.url} ${query}`);
        answer(query, response);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/prometheus`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const vector = (response: ServerResponse, series: Series): void => {
    const result = series.map(([metric, value]) => ({ metric, value: [1, value] }));
    response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }));
  };
  const figures = (query: string, response: ServerResponse): void => {
    const ratio = (window: string) => `flotilla:sli_errors:ratio_rate${window}`;
    if (query.startsWith('max by')) return vector(response, [[{ sli: 'media_loss' }, '0.08']]);
    if (query.startsWith('count by'))
      return vector(response, [
        [{ alertname: 'FlotillaJoinsFail', severity: 'ticket' }, '1'],
        [{ alertname: 'FlotillaJoinsFail', severity: 'page' }, '1'],
      ]);
    return vector(response, [
      [{ __name__: ratio('1h'), sli: 'join_success' }, '0.0144'],
      [{ __name__: ratio('6h'), sli: 'join_success' }, '0.0005'],
      [{ __name__: ratio('6h'), sli: 'join_success', pod: 'other' }, '0.001'],
      [{ __name__: ratio('1h'), sli: 'join_time' }, 'NaN'],
      [{ __name__: ratio('1h'), sli: 'unknown' }, '1'],
    ]);
  };
  const reader = (clock: { now: number } = { now: 0 }, matchers = ''): ObjectiveReader =>
    new ObjectiveReader(new Prometheus(url), matchers, log, () => clock.now);
  const of = (id: string) => objectives.find((each) => each.id === id)!;

  test('are burn rates, levels and alerts of the series of the fleet', async () => {
    answer = figures;
    const view = await reader(undefined, 'namespace="calls"').read();
    expect(view).toMatchObject({ prometheus: 'answered', ageMs: 0 });
    const found = (id: string) => view.objectives.find((each) => each.id === id);
    expect(found('join_success')).toMatchObject({ firing: 'page' });
    expect(found('join_success')!.burn!['1h']).toBeCloseTo(14.4);
    expect(found('join_success')!.burn!['6h']).toBeCloseTo(1);
    expect(found('join_time')).toEqual({ ...of('join_time'), burn: {} });
    expect(found('media_loss')).toEqual({ ...of('media_loss'), value: 0.08 });
    expect(view.objectives).toHaveLength(objectives.length);
    expect(queries.toSorted()).toEqual([
      '/prometheus/api/v1/query count by (alertname, severity) (ALERTS{alertname=~"Flotilla.*",alertstate="firing",namespace="calls"})',
      '/prometheus/api/v1/query max by (sli) (flotilla:sli:level{sli!="",namespace="calls"})',
      '/prometheus/api/v1/query {__name__=~"flotilla:sli_errors:ratio_rate(1h|6h|3d)",namespace="calls"}',
    ]);
  });

  test('are asked for once by all readers, and again after 15 s', async () => {
    answer = figures;
    const clock = { now: 0 };
    const shared = reader(clock);
    await Promise.all([shared.read(), shared.read(), shared.read()]);
    clock.now = 14_999;
    await shared.read();
    expect(queries).toHaveLength(3);
    clock.now = 15_000;
    await shared.read();
    expect(queries).toHaveLength(6);
  });

  test('are the last ones with their age and the reason while Prometheus fails, and absent after 10 minutes', async () => {
    answer = figures;
    const clock = { now: 0 };
    const failing = reader(clock);
    await failing.read();
    answer = (_query, response) => response.writeHead(503).end('down');
    clock.now = 20_000;
    expect(await failing.read()).toMatchObject({
      ...{ prometheus: 'failed', problem: 'it answered HTTP 503', ageMs: 20_000 },
    });
    clock.now = 700_000;
    expect(await failing.read()).toEqual({ prometheus: 'failed', problem: 'it answered HTTP 503', objectives });
    answer = figures;
    clock.now = 720_000;
    expect(await failing.read()).toMatchObject({ prometheus: 'answered', ageMs: 0 });
  });

  test.each<[string, (response: ServerResponse) => unknown, RegExp]>([
    ['another format', (response) => response.end('<html>'), /does not answer as the HTTP API of Prometheus/],
    ['an error', (response) => response.end('{"status":"error","error":"parse error"}'), /does not answer as/],
    [
      'a redirect',
      (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      /cannot be reached/,
    ],
    ['a reply without an end', (response) => endless(response), /longer than 1048576 bytes/],
    ['a cut connection', (response) => response.destroy(), /cannot be reached/],
  ])('are absent with the reason after %s', async (_name, reply, problem) => {
    answer = (_query, response) => void reply(response);
    expect(await reader().read()).toEqual({
      ...{ prometheus: 'failed', problem: expect.stringMatching(problem) as string, objectives },
    });
  });

  test('are absent without a URL of Prometheus', async () => {
    expect(await new ObjectiveReader(undefined, '', log).read()).toEqual({ prometheus: 'off', objectives });
  });
});

function endless(response: ServerResponse): void {
  const write = (): void => {
    while (!response.destroyed && response.write('x'.repeat(65_536)));
  };
  response.on('drain', write);
  write();
}
