import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { registryQueue, sfuQueue } from '@flotilla/contracts';
import { freePort, startRabbitMq, startRabbitMqCluster } from '@flotilla/processes';
import { createLogger } from '@flotilla/runtime';
import { notYet, TcpProxy, testBrokers, uniqueName, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CommandBus, type RabbitMqAddress, RabbitMqCommandTransport } from '../src/index.ts';
import { makeCertificates } from './certificates.ts';

const log = createLogger({ service: 'test', level: 'silent' });

let directory: string;
let opened: { close(): Promise<void> }[];
let brokers: { stop(): Promise<void> }[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flotilla-rabbitmq-link-'));
  opened = [];
  brokers = [];
});
afterEach(async () => {
  await Promise.all(opened.map((it) => it.close()));
  await Promise.all(brokers.map((broker) => broker.stop()));
  rmSync(directory, { recursive: true, force: true });
});

async function connect(address: RabbitMqAddress): Promise<RabbitMqCommandTransport> {
  const namespace = uniqueName('t');
  const transport = await RabbitMqCommandTransport.connect({ ...address, namespace, log });
  opened.push(transport);
  return transport;
}

const changed = (change: (url: URL) => void): string => {
  const url = new URL(testBrokers().amqpUrl);
  change(url);
  return url.href;
};

describe('a RabbitMQ that cannot be used', () => {
  test.each([
    ['a wrong password', changed((url) => (url.password = 'wrong')), 'RabbitMQ refused the user or the password'],
    [
      'a virtual host that does not exist',
      changed((url) => (url.pathname = '/none')),
      'RabbitMQ has no such virtual host, or its user may not use it',
    ],
  ])('is named at once when it refuses %s', async (_what, url, message) => {
    await expect(connect({ url })).rejects.toMatchObject({ code: 'UNAVAILABLE', message });
  });

  test('is waited for when it is not running, and used when it is', async () => {
    const port = await freePort();
    let isConnected = false;
    const connected = connect({ url: `amqp://guest:guest@127.0.0.1:${port}` }).then((it) => {
      isConnected = true;
      return it;
    });
    expect(isConnected).toBe(false);
    brokers.push(await startRabbitMq({ port }));
    expect((await connected).problem()).toBeUndefined();
  });

  test('is named by what is wrong with it, until it is right again', async () => {
    const proxy = await TcpProxy.to(Number(new URL(testBrokers().amqpUrl).port));
    brokers.push({ stop: () => proxy.close() });
    const transport = await connect({ url: changed((url) => (url.port = String(proxy.port))) + '?heartbeat=1' });
    const has = (problem: string | undefined): Promise<unknown> =>
      waitFor(`the problem "${problem}"`, () => {
        if (transport.problem() !== problem) notYet(`it is "${transport.problem()}"`);
      });
    proxy.freeze();
    await has('RabbitMQ does not answer');
    proxy.restore();
    await has(undefined);
  });
});

test('a lost connection to RabbitMQ is opened again with a password that was changed meanwhile', async () => {
  const rabbit = await startRabbitMq();
  brokers.push(rabbit);
  const proxy = await TcpProxy.to(Number(new URL(rabbit.url).port));
  brokers.push({ stop: () => proxy.close() });
  let password = 'guest';
  const address: RabbitMqAddress = {
    get url() {
      return `amqp://guest:${password}@127.0.0.1:${proxy.port}?heartbeat=1`;
    },
  };
  const options = Object.defineProperties(
    { namespace: uniqueName('t'), log, url: '' },
    Object.getOwnPropertyDescriptors(address),
  );
  const transport = await RabbitMqCommandTransport.connect(options);
  opened.push(transport);
  await rabbit.control('change_password', 'guest', 'second');
  expect(transport.problem()).toBeUndefined();
  proxy.freeze();
  await waitFor('the connection is lost', () => transport.problem() ?? notYet('it is there'));
  password = 'second';
  proxy.restore();
  await waitFor('it is there again', () => {
    const problem = transport.problem();
    if (problem !== undefined) notYet(problem);
  });
});

describe('RabbitMQ with TLS', () => {
  test('is used with the authority and the certificate that it wants, and what is not accepted is named', async () => {
    const { caFile, certFile, keyFile, tls } = makeCertificates(directory);
    const port = await freePort();
    brokers.push(
      await startRabbitMq({
        conf: [
          `listeners.ssl.1 = 127.0.0.1:${port}`,
          `ssl_options.cacertfile = ${caFile}`,
          `ssl_options.certfile = ${certFile}`,
          `ssl_options.keyfile = ${keyFile}`,
          'ssl_options.verify = verify_peer',
          'ssl_options.fail_if_no_peer_cert = true',
        ],
      }),
    );
    const url = `amqps://guest:guest@127.0.0.1:${port}`;
    expect((await connect({ url, tls })).problem()).toBeUndefined();
    await expect(connect({ url })).rejects.toMatchObject({ message: 'the certificate of RabbitMQ is not accepted' });
    await expect(connect({ url, tls: { ca: tls.ca } })).rejects.toMatchObject({
      message: 'RabbitMQ does not accept the certificate of this service',
    });
  });
});

describe('RabbitMQ of three nodes', () => {
  test('answers commands again after any of its nodes was killed, and an acknowledged command is not lost', async () => {
    const cluster = await startRabbitMqCluster();
    brokers.push(cluster);
    const namespace = uniqueName('t');
    const open = async (): Promise<CommandBus> => {
      const bus = new CommandBus(await RabbitMqCommandTransport.connect({ url: cluster.url, namespace, log }), log);
      opened.push(bus);
      return bus;
    };
    const [one, two] = [await open(), await open()];
    const handled = new Set<string>();
    for (const bus of [one, two])
      await bus.serve(registryQueue, 'shared', {
        'registry.migration_failed': async ({ migrationId }) => {
          handled.add(migrationId);
          return {};
        },
      });
    await two.serve(sfuQueue('nd_a'), 'exclusive', { 'sfu.ping': async () => ({}) });
    let number = 0;
    const answered: string[] = [];
    const call = async (): Promise<void> => {
      const migrationId = `mig_${number++}`;
      await one.call(
        registryQueue,
        'registry.migration_failed',
        { migrationId, roomId: 'rm_a', sessionId: 'ss_a', reason: 'ICE failed' },
        { timeoutMs: 1000 },
      );
      answered.push(migrationId);
      await one.call(sfuQueue('nd_a'), 'sfu.ping', {}, { timeoutMs: 1000 });
    };
    await call();
    for (const node of cluster.nodes) {
      await node.process.stop('SIGKILL');
      const killedAt = performance.now();
      await waitFor('commands to both kinds of queue are answered', () => call(), { timeoutMs: 30_000, everyMs: 50 });
      console.log(
        `commands were answered ${Math.round(performance.now() - killedAt)} ms after a node of three was killed`,
      );
      await node.resume();
    }
    expect(answered.filter((id) => !handled.has(id))).toEqual([]);
  }, 180_000);
});
