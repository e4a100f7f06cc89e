import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { FlotillaError, registryQueue, sfuQueue } from '@flotilla/contracts';
import { createLogger, metricsRegistry } from '@flotilla/runtime';
import { startRabbitMq } from '@flotilla/processes';
import { notYet, TcpProxy, testBrokers, uniqueName, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  CommandBus,
  type CommandHandlers,
  type CommandTransport,
  MemoryCommandTransport,
  type Outcome,
  RabbitMqCommandTransport,
} from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'error' });

interface Adapter {
  open(namespace: string): Promise<CommandTransport>;
  /** A transport as in another process, connected to the same queues. */
  another(namespace: string, first: CommandTransport): Promise<CommandTransport>;
}

const overRabbitMq = (namespace: string) =>
  RabbitMqCommandTransport.connect({ url: testBrokers().amqpUrl, namespace, log });
const adapters: Record<string, Adapter> = {
  memory: { open: async () => new MemoryCommandTransport(), another: async (_namespace, first) => first },
  rabbitmq: { open: overRabbitMq, another: overRabbitMq },
};

const failed = { migrationId: 'mig_a', roomId: 'rm_a', sessionId: 'ss_a', reason: 'ICE failed' } as const;
const failedHandler = (
  run: (roomId: string) => Promise<void> | void,
): CommandHandlers<'registry.migration_failed'> => ({
  'registry.migration_failed': async ({ roomId }) => {
    await run(roomId);
    return {};
  },
});

/** A command, as a service of the next version sends it. */
const ofNextVersion = (changes: object): string =>
  JSON.stringify({
    commandId: randomUUID(),
    type: 'registry.migration_failed',
    version: 1,
    timeoutMs: 5000,
    payload: { ...failed, added: true },
    added: true,
    ...changes,
  });

describe.each(Object.entries(adapters))('commands over %s', (_name, adapter) => {
  let namespace: string;
  let transport: CommandTransport;
  let bus: CommandBus;

  beforeEach(async () => {
    namespace = uniqueName('t');
    transport = await adapter.open(namespace);
    bus = new CommandBus(transport, log);
  });
  afterEach(() => bus.close());

  test('a command reaches its handler and the caller gets the reply', async () => {
    const seen: string[] = [];
    await bus.serve(
      registryQueue,
      'shared',
      failedHandler((roomId) => void seen.push(roomId)),
    );

    await expect(bus.call(registryQueue, 'registry.migration_failed', failed)).resolves.toEqual({});
    expect(seen).toEqual(['rm_a']);
  });

  test("the handler's error reaches the caller with its code", async () => {
    await bus.serve(
      registryQueue,
      'shared',
      failedHandler(() => Promise.reject(new FlotillaError('ROOM_NOT_FOUND', 'no room rm_a'))),
    );

    await expect(bus.call(registryQueue, 'registry.migration_failed', failed)).rejects.toMatchObject({
      code: 'ROOM_NOT_FOUND',
      message: 'no room rm_a',
    });
  });

  test('a defect in the handler is INTERNAL to the caller, without its details', async () => {
    await bus.serve(
      registryQueue,
      'shared',
      failedHandler(() => Promise.reject(new Error('secret detail'))),
    );

    const failure = await bus.call(registryQueue, 'registry.migration_failed', failed).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'INTERNAL' });
    expect(String(failure)).not.toContain('secret detail');
  });

  test('a payload that does not match its schema is refused before the handler runs', async () => {
    let ran = false;
    await bus.serve(
      registryQueue,
      'shared',
      failedHandler(() => void (ran = true)),
    );

    for (const wrong of [{ roomId: 'not a room' }, { reason: 'half of a surrogate pair: \ud83d' }])
      await expect(bus.call(registryQueue, 'registry.migration_failed', { ...failed, ...wrong })).rejects.toMatchObject(
        { code: 'BAD_PAYLOAD' },
      );
    expect(ran).toBe(false);
  });

  test('a call to a missing SFU queue fails with NODE_UNAVAILABLE, to a missing registry queue with UNAVAILABLE', async () => {
    await expect(bus.call(sfuQueue('nd_gone'), 'sfu.ping', {})).rejects.toMatchObject({
      code: 'NODE_UNAVAILABLE',
    });
    await expect(bus.call(registryQueue, 'registry.migration_failed', failed)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
  });

  test('a command of the next version is served, or refused with a reason, and not dead-lettered', async () => {
    const served: string[] = [];
    const outcomes: Outcome[] = [];
    const recording: CommandTransport = {
      request: (...request) => transport.request(...request),
      problem: () => transport.problem(),
      close: () => transport.close(),
      serve: (queue, kind, handler) =>
        transport.serve(queue, kind, async (message, headers) => {
          const outcome = await handler(message, headers);
          outcomes.push(outcome);
          return outcome;
        }),
    };
    await new CommandBus(recording, log).serve(
      registryQueue,
      'shared',
      failedHandler((roomId) => void served.push(roomId)),
    );
    const other = await adapter.another(namespace, transport);
    const send = async (changes: object): Promise<unknown> => {
      const options = { id: randomUUID(), ttlMs: 5000, signal: AbortSignal.timeout(5000) };
      const { ok, error } = JSON.parse(await other.request(registryQueue, ofNextVersion(changes), options)) as {
        ok: boolean;
        error?: { code: string };
      };
      return ok || error!.code;
    };
    expect(await send({})).toBe(true);
    expect(await send({ type: 'registry.added' })).toBe('UNKNOWN_TYPE');
    expect(await send({ version: 2 })).toBe('UNAVAILABLE');
    expect(served).toEqual(['rm_a']);
    expect(outcomes.map(({ deadLetter }) => deadLetter)).toEqual([undefined, undefined, undefined]);
    if (other !== transport) await other.close();
  });

  test('the caller waits no longer than its deadline', async () => {
    const release = Promise.withResolvers<void>();
    await bus.serve(
      registryQueue,
      'shared',
      failedHandler(() => release.promise),
    );

    await expect(
      bus.call(registryQueue, 'registry.migration_failed', failed, { timeoutMs: 100 }),
    ).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    release.resolve();
  });

  test('a command sent twice with one id runs once, and both callers get its reply', async () => {
    let runs = 0;
    await bus.serve(
      registryQueue,
      'shared',
      failedHandler(() => void runs++),
    );

    const commandId = randomUUID();
    const send = () => bus.call(registryQueue, 'registry.migration_failed', failed, { commandId });
    await expect(Promise.all([send(), send()])).resolves.toEqual([{}, {}]);
    await send();
    expect(runs).toBe(1);
  });

  test('the time outside of the handler is measured, and a repeated delivery counted', async () => {
    metricsRegistry.resetMetrics();
    await bus.serve(
      registryQueue,
      'shared',
      failedHandler(() => pause(200)),
    );
    const commandId = randomUUID();
    const send = () => bus.call(registryQueue, 'registry.migration_failed', failed, { commandId });
    await send();
    await send();
    const text = await metricsRegistry.metrics();
    const valueOf = (series: string): number => Number(text.split(`${series} `)[1]?.split('\n')[0]);
    expect(valueOf('flotilla_command_wait_seconds_count{type="registry.migration_failed"}')).toBe(2);
    const waited = valueOf('flotilla_command_wait_seconds_sum{type="registry.migration_failed"}');
    const called = valueOf('flotilla_command_duration_seconds_sum{type="registry.migration_failed",role="caller"}');
    expect(called - waited).toBeGreaterThan(0.19);
    expect(valueOf('flotilla_command_deliveries_total{repeated="true"}')).toBe(1);
    expect(valueOf('flotilla_command_deliveries_total{repeated="false"}')).toBe(1);
  });

  test('commands in a shared queue are distributed among its consumers', async () => {
    const seen = [0, 0];
    await bus.serve(
      registryQueue,
      'shared',
      failedHandler(() => void seen[0]!++),
    );
    await bus.serve(
      registryQueue,
      'shared',
      failedHandler(() => void seen[1]!++),
    );

    await Promise.all(Array.from({ length: 20 }, () => bus.call(registryQueue, 'registry.migration_failed', failed)));
    expect(seen[0]! + seen[1]!).toBe(20);
    expect(Math.min(...seen)).toBeGreaterThan(0);
  });

  test('an exclusive queue refuses a second consumer', async () => {
    const handlers: CommandHandlers<'sfu.ping'> = { 'sfu.ping': async () => ({}) };
    await bus.serve(sfuQueue('nd_a'), 'exclusive', handlers);
    const second = new CommandBus(await adapter.another(namespace, transport), log);
    await expect(second.serve(sfuQueue('nd_a'), 'exclusive', handlers)).rejects.toThrow();
    await second.close();
  });

  test('closing a consumer waits for its running handlers and accepts no more commands', async () => {
    const started = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const serving = await bus.serve(
      registryQueue,
      'shared',
      failedHandler(async () => {
        started.resolve();
        await release.promise;
      }),
    );
    const call = bus.call(registryQueue, 'registry.migration_failed', failed);
    await started.promise;

    const closed = serving.close();
    release.resolve();
    await closed;
    await expect(call).resolves.toEqual({});
    await expect(
      bus.call(registryQueue, 'registry.migration_failed', failed, { timeoutMs: 300 }),
    ).rejects.toMatchObject({
      code: expect.stringMatching(/UNAVAILABLE|DEADLINE_EXCEEDED/) as string,
    });
  });

  test('1,000 concurrent commands are all answered', async () => {
    await bus.serve(
      registryQueue,
      'shared',
      failedHandler(() => undefined),
    );
    const replies = await Promise.all(
      Array.from({ length: 1000 }, () => bus.call(registryQueue, 'registry.migration_failed', failed)),
    );
    expect(replies).toHaveLength(1000);
  });
});

describe('commands over RabbitMQ', () => {
  test('calls fail with UNAVAILABLE while the broker is down and succeed after its restart', async () => {
    const rabbit = await startRabbitMq();
    const port = Number(new URL(rabbit.url).port);
    const transport = await RabbitMqCommandTransport.connect({ url: rabbit.url, namespace: 't', log });
    const bus = new CommandBus(transport, log);
    await bus.serve(
      registryQueue,
      'shared',
      failedHandler(() => undefined),
    );
    await bus.serve(sfuQueue('nd_a'), 'exclusive', { 'sfu.ping': async () => ({}) });
    await bus.call(registryQueue, 'registry.migration_failed', failed);

    await rabbit.stop();
    await waitFor('a reported problem', () => bus.problem() ?? notYet('no problem is reported'));
    await expect(bus.call(registryQueue, 'registry.migration_failed', failed)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });

    const again = await startRabbitMq({ port });
    await waitFor('the reconnection', () => bus.problem() === undefined || notYet(String(bus.problem())), {
      timeoutMs: 15_000,
    });
    await expect(bus.call(registryQueue, 'registry.migration_failed', failed)).resolves.toEqual({});
    await expect(bus.call(sfuQueue('nd_a'), 'sfu.ping', {})).resolves.toEqual({});
    await bus.close();
    await again.stop();
  }, 90_000);

  test('commands to a service go to its other instance some seconds after the machine of one has lost its power', async () => {
    const namespace = uniqueName('t');
    const url = new URL(testBrokers().amqpUrl);
    const cable = await TcpProxy.to(Number(url.port));
    url.port = String(cable.port);
    const lost = new CommandBus(await RabbitMqCommandTransport.connect({ url: url.href, namespace, log }), log);
    const bus = new CommandBus(await overRabbitMq(namespace), log);
    const handlers = failedHandler(() => undefined);
    await lost.serve(registryQueue, 'shared', handlers);
    await bus.serve(registryQueue, 'shared', handlers);

    cable.freeze();
    // The instances take turns.
    const twoInTurn = async (): Promise<void> => {
      for (let turn = 0; turn < 2; turn++)
        await bus.call(registryQueue, 'registry.migration_failed', failed, { timeoutMs: 500 });
    };
    await expect(twoInTurn()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await waitFor('the other instance gets every command', twoInTurn, { timeoutMs: 30_000 });
    await cable.close();
    await lost.close();
    await bus.close();
  });

  test('a consumer that has all the commands it takes reports how many wait in its queue', async () => {
    const transport = await overRabbitMq(uniqueName('t'));
    const release = Promise.withResolvers<void>();
    const serving = await transport.serve(
      registryQueue,
      'shared',
      () => release.promise.then(() => ({ answer: '{}' })),
      {
        prefetch: 2,
      },
    );
    const answers = Array.from({ length: 7 }, (_, id) =>
      transport.request(registryQueue, '{}', { id: String(id), ttlMs: 30_000, signal: AbortSignal.timeout(30_000) }),
    );
    await waitFor('five waiting commands', async () => (await serving.waiting()) === 5 || notYet('others'));
    release.resolve();
    await Promise.all(answers);
    await waitFor('an empty queue', async () => (await serving.waiting()) === 0 || notYet('some wait'));
    await transport.close();
    await expect(serving.waiting()).rejects.toThrow();
  });

  test('a message that is no valid command is dead-lettered with the reason', async () => {
    const { connect } = await import('amqplib');
    const namespace = uniqueName('t');
    const transport = await RabbitMqCommandTransport.connect({ url: testBrokers().amqpUrl, namespace, log });
    const bus = new CommandBus(transport, createLogger({ service: 'test', level: 'error' }));
    await bus.serve(
      registryQueue,
      'shared',
      failedHandler(() => undefined),
    );

    const link = await connect(testBrokers().amqpUrl);
    const channel = await link.createChannel();
    channel.publish(`${namespace}.commands.${registryQueue}`, registryQueue, Buffer.from('{"not":"a command"}'));
    const letter = await waitFor(
      'the dead letter',
      async () => (await channel.get(`${namespace}.dead-letters`, { noAck: true })) || notYet('the queue is empty'),
    );
    expect(letter.content.toString()).toBe('{"not":"a command"}');
    expect(letter.properties.headers).toMatchObject({
      'x-flotilla-queue': 'registry',
      'x-flotilla-reason': expect.stringContaining('commandId') as string,
    });
    await link.close();
    await bus.close();
  });
});
