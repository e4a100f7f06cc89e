import { fileURLToPath } from 'node:url';
import { registryQueue, sfuQueue } from '@flotilla/contracts';
import { Child } from '@flotilla/processes';
import { CallRefused } from '@flotilla/resilience';
import { createLogger } from '@flotilla/runtime';
import { notYet, testBrokers, uniqueName, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CommandBus, RabbitMqCommandTransport } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const entry = fileURLToPath(new URL('./serving-process.ts', import.meta.url));
const failed = { migrationId: 'mig_a', roomId: 'rm_a', sessionId: 'ss_a', reason: 'ICE failed' } as const;
const timeoutMs = 150;

describe('commands to a node whose process stands still', () => {
  let namespace: string;
  let node: Child;
  let bus: CommandBus;
  /** Commands that were sent, by queue. */
  const sent = new Map<string, number>();

  const connected = async (options: ConstructorParameters<typeof CommandBus>[2]): Promise<CommandBus> => {
    const transport = await RabbitMqCommandTransport.connect({ url: testBrokers().amqpUrl, namespace, log });
    const request = transport.request.bind(transport);
    transport.request = (queue, ...rest) => {
      sent.set(queue, (sent.get(queue) ?? 0) + 1);
      return request(queue, ...rest);
    };
    return new CommandBus(transport, log, { lastingMs: 0, ...options });
  };
  const ask = (id: string) => bus.call(sfuQueue(id), 'sfu.ping', {}, { timeoutMs });
  const outcome = (id: string): Promise<unknown> =>
    ask(id).then(
      () => 'ok',
      (error: unknown) => error,
    );
  const timesOut = async (): Promise<void> => {
    for (let call = 0; call < 5; call++) expect(await outcome('nd_a')).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  };

  beforeEach(async () => {
    sent.clear();
    namespace = uniqueName('t');
    const { amqpUrl } = testBrokers();
    node = new Child('node', process.execPath, [entry, amqpUrl, namespace, 'nd_a']);
    await node.line(/^serving$/);
  });
  afterEach(async () => {
    await bus.close();
    node.signal('SIGCONT');
    await node.stop('SIGKILL');
  });

  test('are refused at once; those to other nodes and services are answered', async () => {
    bus = await connected({ probeMs: 600_000 });
    await bus.serve(sfuQueue('nd_b'), 'exclusive', { 'sfu.ping': async () => ({}) });
    await bus.serve(registryQueue, 'shared', { 'registry.migration_failed': async () => ({}) });
    expect(await outcome('nd_a')).toBe('ok');
    node.signal('SIGSTOP');
    await timesOut();
    const before = sent.get(sfuQueue('nd_a'));
    const refusals = await Promise.all(Array.from({ length: 100 }, () => outcome('nd_a')));
    for (const refusal of refusals) {
      expect(refusal).toBeInstanceOf(CallRefused);
      expect(refusal).toMatchObject({ code: 'NODE_UNAVAILABLE' });
    }
    expect(sent.get(sfuQueue('nd_a'))).toBe(before);
    expect(await outcome('nd_b')).toBe('ok');
    await expect(bus.call(registryQueue, 'registry.migration_failed', failed)).resolves.toEqual({});
    expect(bus.refusedInstances('sfu')).toEqual(['nd_a']);
  });

  test('are tried after a while, and sent again once the trial is answered', async () => {
    bus = await connected({ halfOpenMs: 500, probeMs: 600_000 });
    node.signal('SIGSTOP');
    await timesOut();
    const before = sent.get(sfuQueue('nd_a'))!;
    await waitFor('a trial fails', async () => {
      const error = await outcome('nd_a');
      if (error instanceof CallRefused) notYet('calls are refused');
      expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    });
    expect(sent.get(sfuQueue('nd_a'))).toBe(before + 1);
    expect(await outcome('nd_a')).toBeInstanceOf(CallRefused);
    node.signal('SIGCONT');
    await waitFor('a trial is answered', async () => (await outcome('nd_a')) === 'ok' || notYet('it is not'));
    expect(bus.guard.open()).toEqual([]);
  });

  test('are sent again as soon as it answers probes', async () => {
    bus = await connected({ halfOpenMs: 600_000, instanceHalfOpenMs: 600_000, probeMs: 100 });
    node.signal('SIGSTOP');
    await timesOut();
    expect(await outcome('nd_a')).toBeInstanceOf(CallRefused);
    // One probe fails while it stands still.
    const before = sent.get(sfuQueue('nd_a'))!;
    await waitFor('probes', () => sent.get(sfuQueue('nd_a'))! > before + 1 || notYet('they are sent'));
    node.signal('SIGCONT');
    await waitFor('the breaker closes', () => bus.guard.open().length === 0 || notYet('it is open'));
    expect(await outcome('nd_a')).toBe('ok');
  });

  test('are answered by the broker once the process has ended', async () => {
    bus = await connected({ halfOpenMs: 600_000, instanceHalfOpenMs: 600_000, probeMs: 100 });
    node.signal('SIGSTOP');
    await timesOut();
    await node.stop('SIGKILL');
    await waitFor('the breaker is dropped', () => bus.guard.open().length === 0 || notYet('it is open'));
    const error = await outcome('nd_a');
    expect(error).toMatchObject({ code: 'NODE_UNAVAILABLE' });
    expect(error).not.toBeInstanceOf(CallRefused);
  });
});

test('the cost of the guard beside a bare command is printed', async () => {
  const namespace = uniqueName('t');
  const transport = await RabbitMqCommandTransport.connect({ url: testBrokers().amqpUrl, namespace, log });
  const bus = new CommandBus(transport, log);
  await bus.serve(sfuQueue('nd_a'), 'exclusive', { 'sfu.ping': async () => ({}) });
  const times = { bare: [] as number[], guarded: [] as number[] };
  for (let call = 0; call < 2000; call++) {
    const unguarded = call % 2 === 0;
    const began = performance.now();
    await bus.call(sfuQueue('nd_a'), 'sfu.ping', {}, { unguarded });
    // The first calls are compiled.
    if (call >= 500) times[unguarded ? 'bare' : 'guarded'].push(performance.now() - began);
  }
  await bus.close();
  for (const [name, all] of Object.entries(times)) {
    const sorted = all.toSorted((a, b) => a - b);
    const at = (share: number): string => sorted[Math.floor(share * sorted.length)]!.toFixed(3);
    console.log(
      `[breakers] ${name} command: p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)} ms, ${sorted.length} calls`,
    );
  }
  expect(times.guarded).toHaveLength(750);
});
