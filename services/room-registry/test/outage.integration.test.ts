import { connectBackplane } from '@flotilla/backplane';
import { brokerConfig, createLogger, loadConfig } from '@flotilla/runtime';
import { nodeReport, notYet, TcpProxy, testBrokers, uniqueName, waitFor } from '@flotilla/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { startRegistry } from './harness.ts';

test('while Redis is out of reach, reads are answered with what was last read, marked as stale, and writes are refused', async () => {
  const { redisUrl, amqpUrl } = testBrokers();
  const url = new URL(redisUrl);
  const proxy = await TcpProxy.to(Number(url.port));
  url.port = String(proxy.port);
  const log = createLogger({ service: 'test', level: 'silent' });
  const config = loadConfig(brokerConfig, {
    REDIS_URL: url.href,
    AMQP_URL: amqpUrl,
    FLOTILLA_NAMESPACE: uniqueName('t'),
  });
  const backplane = await connectBackplane(config, log);
  onTestFinished(async () => {
    await backplane.close();
    await proxy.close();
  });
  const { api, url: base, key } = await startRegistry(undefined, { backplane });
  const send = (path: string, method = 'GET', body?: object) =>
    fetch(new URL(path, base), {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
  await backplane.store.nodes.report(nodeReport('nd_a'));
  expect(await api.request('POST', '/v1/rooms', { name: 'daily' })).toMatchObject({ status: 201 });
  const paths = ['/v1/rooms', '/v1/rooms/daily', '/v1/nodes', '/v1/topology', '/v1/topology?format=mermaid'];
  const before = new Map<string, string>();
  for (const path of paths) {
    const response = await send(path);
    expect(response.status).toBe(200);
    expect(response.headers.get('warning')).toBeNull();
    before.set(path, await response.text());
  }

  proxy.cut();
  await waitFor('Redis is out of reach', () => backplane.store.problem() !== undefined || notYet('it is not'));
  // Until then the snapshot may be served as a previous one.
  await waitFor('the topology is stale', async () => {
    if (!(await send('/v1/topology')).headers.has('warning')) notYet('it is not');
  });
  for (const path of paths) {
    const response = await send(path);
    expect(response.status).toBe(200);
    expect(response.headers.get('warning')).toBe('110 - "Response is Stale"');
    expect(Number(response.headers.get('age'))).toBeGreaterThanOrEqual(0);
    expect(await response.text()).toBe(before.get(path));
  }
  expect((await send('/v1/rooms/never-read')).status).toBe(503);
  const refused = await send('/v1/rooms', 'POST', { name: 'another' });
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('2');
  expect(await refused.json()).toMatchObject({ error: { code: 'UNAVAILABLE' } });
  expect((await send('/v1/tokens', 'POST', { grants: ['admin'], userId: 'console' })).status).toBe(201);

  proxy.restore();
  await waitFor('writes are served', async () => {
    const { status } = await send('/v1/rooms', 'POST', { name: 'another' });
    if (status !== 201) notYet(`status ${status}`);
  });
  for (const path of ['/v1/rooms', '/v1/topology']) {
    const response = await send(path);
    expect(response.headers.get('warning')).toBeNull();
    expect(await response.text()).toContain('another');
  }
});

test('an open breaker of a node is listed in the topology', async () => {
  const { redisUrl, amqpUrl } = testBrokers();
  const log = createLogger({ service: 'room-registry', level: 'silent' });
  const config = loadConfig(brokerConfig, {
    REDIS_URL: redisUrl,
    AMQP_URL: amqpUrl,
    FLOTILLA_NAMESPACE: uniqueName('t'),
  });
  const backplane = await connectBackplane({ ...config, FLOTILLA_INSTANCE: 'registry-0' }, log);
  onTestFinished(() => backplane.close());
  const { api } = await startRegistry(undefined, { backplane });
  const never = new Promise<never>(() => undefined);
  await backplane.bus.serve('sfu.nd_a', 'exclusive', { 'sfu.ping': () => never, 'sfu.cordon': () => never });
  const cordon = () =>
    backplane.bus.call('sfu.nd_a', 'sfu.cordon', { state: 'cordoned' }, { timeoutMs: 500 }).catch(() => undefined);
  await waitFor('the breaker opens', async () => {
    await cordon();
    if (backplane.bus.guard.open().length === 0) notYet('calls time out');
  });
  await waitFor('it is listed', async () => {
    const { body } = await api.request('GET', '/v1/topology');
    const vertices = (body as { vertices: { kind: string }[] }).vertices.filter(({ kind }) => kind === 'breaker');
    if (vertices.length === 0) notYet('it is not');
    expect(vertices).toMatchObject([{ caller: 'room-registry registry-0', target: 'nd_a', state: 'open' }]);
  });
  await backplane.store.nodes.report(nodeReport('nd_a'));
  const refused = await api.request('POST', '/v1/nodes/nd_a/cordon');
  expect(refused).toMatchObject({ status: 503, body: { error: { code: 'NODE_UNAVAILABLE' } } });
});
