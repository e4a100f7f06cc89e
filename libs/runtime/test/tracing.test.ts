import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { context, propagation, trace } from '@opentelemetry/api';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  counter,
  hashedName,
  histogram,
  injectTrace,
  inSpan,
  metricsRegistry,
  openMetricsText,
  startTracing,
} from '../src/index.ts';

/** Starts tracing to a receiver. Returns what stops it and resolves to the bodies of the exports. */
async function traced(ratio: number, start = startTracing): Promise<() => Promise<string>> {
  let received = '';
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => (received += chunk.toString()));
    request.on('end', () => response.setHeader('content-type', 'application/json').end('{}'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = await start('test', `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ratio);
  onTestFinished(() => {
    server.close();
    for (const api of [trace, context, propagation]) api.disable();
  });
  return async () => {
    await stop();
    return received;
  };
}

describe('traces', () => {
  test('carry hashes of the room and the tenant, and never their names', async () => {
    const exported = await traced(1);
    const subject = { room: 'rm_acme-stand-up', tenant: 'acme' };
    const carrier = inSpan('request', { subject }, () => injectTrace());
    expect(carrier['baggage']).toBe(
      `flotilla.room=${hashedName('room', subject.room)},flotilla.tenant=${hashedName('tenant', 'acme')}`,
    );
    inSpan('handle', { carrier }, () => undefined);
    const text = await exported();
    const { resourceSpans } = JSON.parse(text) as {
      resourceSpans: { scopeSpans: { spans: { name: string; attributes: object[] }[] }[] }[];
    };
    const spans = resourceSpans[0]!.scopeSpans[0]!.spans;
    expect(spans.map(({ name }) => name)).toEqual(['request', 'handle']);
    for (const { attributes } of spans)
      for (const kind of ['room', 'tenant'] as const)
        expect(attributes).toContainEqual({
          key: `flotilla.${kind}`,
          value: { stringValue: hashedName(kind, subject[kind]) },
        });
    expect(text).not.toContain('acme');
  });

  test('of which none is sampled are not sent, nor continued by those who get them', async () => {
    // A tracer keeps its first SDK.
    vi.resetModules();
    const { injectTrace, inSpan, startTracing } = await import('../src/index.ts');
    const exported = await traced(0, startTracing);
    const carrier = inSpan('request', {}, () => injectTrace());
    expect(carrier['traceparent']).toMatch(/-00$/);
    inSpan('handle', { carrier }, () => undefined);
    expect(await exported()).toBe('');
  });

  test('are exemplars of what is observed in them, in the format of OpenMetrics alone', async () => {
    const exported = await traced(1);
    const seconds = histogram({ name: 'traced_seconds', help: 'Traced.', labelNames: ['kind'], buckets: [0.1, 1] });
    const traceId = inSpan('request', {}, (span) => {
      seconds.observe({ kind: 'a' }, 0.05);
      seconds.observe({ kind: 'a' }, 7);
      return span.spanContext().traceId;
    });
    seconds.observe({ kind: 'b' }, 0.5);
    const lines = (await openMetricsText()).text.split('\n');
    const lineOf = (labels: string): string =>
      lines.find((line) => line.startsWith(`traced_seconds_bucket{${labels}}`))!;
    expect(lineOf('le="0.1",kind="a"')).toContain(` 1 # {trace_id="${traceId}"} 0.05 `);
    expect(lineOf('le="+Inf",kind="a"')).toContain(` 2 # {trace_id="${traceId}"} 7 `);
    expect(lineOf('le="1",kind="b"')).toMatch(/ 1$/);
    expect(lines.at(-2)).toBe('# EOF');
    expect(await metricsRegistry.metrics()).not.toContain(traceId);
    await exported();
  });
});

test('counters keep their names in both formats', async () => {
  counter({ name: 'things_total', help: 'Things.' }).inc(3);
  for (let times = 0; times < 2; times++) {
    expect((await openMetricsText()).text).toMatch(/^# TYPE things counter\nthings_total 3$/m);
    expect(await metricsRegistry.metrics()).toMatch(/^# TYPE things_total counter\nthings_total 3$/m);
  }
});
