import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { newApiKey } from '@flotilla/auth';
import { ApiScope } from '@flotilla/contracts';
import { Child, freePort, startKeyOf } from '@flotilla/processes';
import { localAddresses, loopbackAddress } from '@flotilla/runtime';
import { httpAnswer, mediaWorkersOf, notYet, RawClient, RestApi, waitFor } from '@flotilla/testkit';
import { describe, expect, test } from 'vitest';

const main = fileURLToPath(import.meta.resolve('@flotilla/standalone'));
const env = {
  PATH: process.env['PATH'],
  MEDIASOUP_WORKER_BIN: process.env['MEDIASOUP_WORKER_BIN'],
  FLOTILLA_LOG_FORMAT: 'json',
};
/** Where clients look for `localhost` on this machine. */
const loopbacks = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses?.map(({ address }) => address) ?? [])
  .filter((address) => address === loopbackAddress || address === '::1');
const start = (settings: Record<string, string>) =>
  new Child('standalone', process.execPath, [main], { env: { ...env, ...settings } });

/** The addresses of the ICE candidates that a new participant gets. */
async function candidateAddresses(child: Child, port: number): Promise<Set<string>> {
  const url = `http://127.0.0.1:${port}`;
  const api = new RestApi(url, await startKeyOf(child));
  await api.createRoom({ name: 'here' });
  const token = await api.issueToken('here');
  const client = await RawClient.connect(url, { token });
  const { rtpCapabilities } = (await client.event('welcome')).payload;
  const { payload } = await client.request('join', { room: 'here', rtpCapabilities });
  client.close();
  const { media } = payload as { media: { recv: { iceCandidates: { ip?: string; address?: string }[] } } };
  return new Set(media.recv.iceCandidates.map(({ ip, address }) => (address ?? ip)!));
}

describe('standalone', () => {
  test('prints its URLs, runs the configured number of SFU nodes, and leaves no process running', async () => {
    const port = await freePort();
    const child = start({ FLOTILLA_PORT: String(port), FLOTILLA_SFU_NODES: '3', FLOTILLA_SFU_WORKERS: '1' });
    expect((await child.line(/Flotilla is ready: (\S+)/))[1]).toBe(`http://localhost:${port}`);
    const workers = mediaWorkersOf(child.process.pid!);
    // And one for data.
    expect(workers).toHaveLength(3 + 1);
    const page = await fetch(`http://127.0.0.1:${port}/`);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.headers.get('x-powered-by')).toBeNull();
    for (const path of ['/sdk/flotilla-client.js', '/examples/call.html', '/v1/openapi.json']) {
      expect({ path, status: (await fetch(`http://127.0.0.1:${port}${path}`)).status }).toEqual({ path, status: 200 });
    }

    expect(await child.stop('SIGINT')).toBe(0);
    await waitFor('the media workers have ended', () => {
      const left = workers.filter((pid) => mediaWorkersOf(child.process.pid!).includes(pid));
      if (left.length > 0) notYet(`left: ${left.join(', ')}`);
    });
  });

  test('runs failure drills, except those that would end the process', async () => {
    const port = await freePort();
    const child = start({ FLOTILLA_PORT: String(port), FLOTILLA_SFU_WORKERS: '1' });
    const api = new RestApi(`http://127.0.0.1:${port}`, await startKeyOf(child));
    const drill = (kind: string) => api.request('POST', '/v1/drills', { kind, node: 'nd_local-1' });
    expect(await drill('kill_node')).toMatchObject({ status: 403, body: { error: { code: 'DRILL_REFUSED' } } });
    const before = mediaWorkersOf(child.process.pid!);
    expect(await drill('kill_worker')).toEqual({ status: 202, body: { worker: 0 } });
    await waitFor('there is another worker', () => {
      const now = mediaWorkersOf(child.process.pid!);
      if (now.length !== before.length || now.every((pid) => before.includes(pid)))
        notYet(`workers: ${now.join(', ')}`);
    });
    // A drained node without members stays until it is uncordoned.
    expect(await drill('drain')).toEqual({ status: 202, body: { state: 'draining' } });
    expect(await drill('uncordon')).toEqual({ status: 202, body: { state: 'active' } });
    expect(await child.stop('SIGTERM')).toBe(0);
  });

  test('sends media candidates on loopback and at the primary address, or at the configured addresses', async () => {
    const port = await freePort();
    const child = start({ FLOTILLA_PORT: String(port), FLOTILLA_SFU_WORKERS: '1' });
    expect(await candidateAddresses(child, port)).toEqual(new Set(await localAddresses()));
    await child.stop('SIGTERM');

    const local = start({
      FLOTILLA_PORT: String(port),
      FLOTILLA_SFU_WORKERS: '1',
      FLOTILLA_SFU_LISTEN_IPS: `${loopbackAddress}, 127.0.0.3`,
    });
    expect(await candidateAddresses(local, port)).toEqual(new Set([loopbackAddress, '127.0.0.3']));
    await local.stop('SIGTERM');
  });

  test('makes another API key at each start, prints it, and requires it', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const keys: string[] = [];
    for (let starts = 0; starts < 2; starts++) {
      const child = start({ FLOTILLA_PORT: String(port), FLOTILLA_SFU_WORKERS: '1' });
      const key = await startKeyOf(child);
      const [, path] = await child.line(
        /^ *curl -H "Authorization: Bearer \$FLOTILLA_API_KEY" http:\/\/localhost:\d+(\S+)$/,
      );
      const read = (sent?: string) =>
        httpAnswer(`${url}${path}`, { headers: { ...(sent !== undefined && { authorization: `Bearer ${sent}` }) } });
      const where = { message: expect.stringContaining('this server printed its key when it started') as string };
      expect(await read()).toMatchObject({ status: 401, body: { error: { code: 'UNAUTHENTICATED', ...where } } });
      for (const other of ['another', ...keys])
        expect(await read(other)).toMatchObject({ status: 403, body: { error: { code: 'FORBIDDEN', ...where } } });
      expect(await read(key)).toMatchObject({ status: 200, body: { rooms: [] } });
      expect(await new RestApi(url, key).request('GET', '/v1/api-key')).toMatchObject({
        body: { name: 'standalone', scopes: ApiScope.options },
      });
      // The call page admits its visitors without a key.
      const body = JSON.stringify({ room: 'here', name: 'Ada' });
      const entry = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
      expect(await (await fetch(`${url}/console/entry`, entry)).json()).toMatchObject({ token: expect.any(String) });
      keys.push(key);
      await child.stop('SIGTERM');
    }
    expect(new Set(keys).size).toBe(2);
  });

  test('gives its key to its own pages, and to nothing else', async () => {
    const port = await freePort();
    const child = start({ FLOTILLA_PORT: String(port), FLOTILLA_SFU_WORKERS: '1' });
    const key = await startKeyOf(child);
    const url = `http://127.0.0.1:${port}`;
    const ask = (headers: Record<string, string>) => httpAnswer(`${url}/console/key`, { method: 'POST', headers });
    const own = { 'sec-fetch-site': 'same-origin' };
    const answer = await ask({ ...own, origin: url });
    expect(answer.body).toEqual({ key });
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
    for (const headers of [
      {},
      { origin: url },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'same-site', origin: `http://127.0.0.1:${port + 1}` },
      { 'sec-fetch-site': 'cross-site', origin: 'http://evil.example' },
      { ...own, host: `evil.example:${port}`, origin: `http://evil.example:${port}` },
      { ...own, origin: 'http://evil.example' },
      { ...own, 'x-forwarded-for': '192.0.2.1' },
    ])
      expect(await ask(headers), JSON.stringify(headers)).toMatchObject({
        status: 403,
        body: { error: { code: 'FORBIDDEN' } },
      });
    expect(await httpAnswer(`${url}/console/key`, { headers: own })).toMatchObject({ status: 404 });
    for (const path of ['/', '/topology', '/operations', '/v1/openapi.json'])
      expect(await (await fetch(url + path)).text(), path).not.toContain(key);
    await child.stop('SIGTERM');
  });

  // Only root may become another user.
  test.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
    'does not give its key to a program of another user of the machine that claims to be its page',
    async () => {
      const port = await freePort();
      const child = start({ FLOTILLA_PORT: String(port), FLOTILLA_SFU_WORKERS: '1' });
      const key = await startKeyOf(child);
      const request = { port, path: '/console/key', method: 'POST' };
      const headers = { 'sec-fetch-site': 'same-origin' };
      const script = `process.setuid(Number(process.argv[1]));
        const send = process.getBuiltinModule('node:http').request;
        const request = { ...${JSON.stringify({ ...request, headers })}, host: process.argv[2] };
        send(request, (response) => response.pipe(process.stdout)).end()`;
      const askAs = async (user: number, host: string): Promise<unknown> => {
        const { stdout } = await promisify(execFile)(process.execPath, ['-e', script, String(user), host]);
        return JSON.parse(stdout);
      };
      for (const host of loopbacks) {
        expect(await askAs(0, host)).toEqual({ key });
        expect(await askAs(65_534, host)).toMatchObject({
          error: {
            code: 'FORBIDDEN',
            message: 'pages of another user enter the key; this server printed its key when it started',
          },
        });
      }
      await child.stop('SIGTERM');
    },
  );

  test('refuses what pages of other sites send to its API and to its signaling', async () => {
    const port = await freePort();
    const child = start({ FLOTILLA_PORT: String(port), FLOTILLA_SFU_WORKERS: '1' });
    const api = new RestApi(`http://127.0.0.1:${port}`, await startKeyOf(child));
    const authorization = `Bearer ${api.apiKey}`;
    const { url } = api;
    const rebound = { host: `evil.example:${port}` };
    const foreign = { origin: 'http://evil.example' };
    const neighbour = { origin: `http://127.0.0.1:${port + 1}` };
    for (const [path, options] of [
      ['/v1/drills', { method: 'POST', headers: foreign }],
      ['/v1/drills', { method: 'POST', headers: neighbour }],
      ['/v1/drills', { method: 'POST', headers: { origin: 'null' } }],
      ['/v1/drills', { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } }],
      ['/v1/nodes/nd_local-1/drain', { method: 'POST', headers: foreign }],
      ['/console/topology-entry', { method: 'POST', headers: { ...rebound, origin: `http://evil.example:${port}` } }],
      ['/console/entry', { method: 'POST', headers: foreign }],
      ['/v1/drills', { method: 'POST', headers: { ...foreign, authorization } }],
      ['/v1/topology', { headers: rebound }],
      ['/', { headers: rebound }],
    ] as const)
      expect(await httpAnswer(url + path, options), `${path} ${JSON.stringify(options)}`).toMatchObject({
        status: 403,
        body: { error: { code: 'FORBIDDEN' } },
      });
    await api.createRoom({ name: 'here' });
    const token = await api.issueToken('here');
    const headers = { ...rebound, origin: `http://evil.example:${port}` };
    await expect(RawClient.connect(url, { token, headers })).rejects.toMatchObject({ status: 403, code: 'FORBIDDEN' });
    // The refusal has not used the token up.
    (await RawClient.connect(url, { token, headers: { origin: url } })).close();
    expect(await httpAnswer(`http://localhost:${port}/v1/topology`, { headers: { authorization } })).toMatchObject({
      status: 200,
    });
    await child.stop('SIGTERM');
  });

  // Another user's program at ::1 would answer what is sent to localhost, with the key of this start in it.
  test('serves its pages, its API and its signaling at every address of localhost, until it stops', async () => {
    const port = await freePort();
    const child = start({ FLOTILLA_PORT: String(port), FLOTILLA_SFU_WORKERS: '1' });
    const key = await startKeyOf(child);
    const origin = `http://localhost:${port}`;
    const clients: RawClient[] = [];
    for (const address of loopbacks) {
      const url = `http://${address === '::1' ? '[::1]' : address}:${port}`;
      expect(await httpAnswer(url)).toMatchObject({ status: 200 });
      const headers = { 'sec-fetch-site': 'same-origin', origin, host: `localhost:${port}` };
      expect(await httpAnswer(`${url}/console/key`, { method: 'POST', headers })).toMatchObject({ body: { key } });
      const api = new RestApi(url, key);
      await api.createRoom({ name: 'here' });
      clients.push(await RawClient.connect(url, { token: await api.issueToken('here'), headers: { origin: url } }));
    }
    expect(clients.length).toBeGreaterThan(0);
    expect(await child.stop('SIGTERM')).toBe(0);
  });

  test('serves its page and its signaling at another loopback address that it listens at', async () => {
    const port = await freePort();
    const child = start({ FLOTILLA_PORT: String(port), FLOTILLA_SFU_WORKERS: '1', FLOTILLA_HOST: '127.0.0.2' });
    const url = `http://127.0.0.2:${port}`;
    const api = new RestApi(url, await startKeyOf(child));
    expect(await httpAnswer(url)).toMatchObject({ status: 200 });
    const asked = { method: 'POST', headers: { 'sec-fetch-site': 'same-origin', origin: url } };
    expect(await httpAnswer(`${url}/console/key`, asked)).toMatchObject({ body: { key: api.apiKey } });
    await api.createRoom({ name: 'here' });
    (await RawClient.connect(url, { token: await api.issueToken('here'), headers: { origin: url } })).close();
    await child.stop('SIGTERM');
  });

  test('listens beyond loopback only with API keys, and then asks for them', async () => {
    const port = await freePort();
    const settings = { FLOTILLA_PORT: String(port), FLOTILLA_SFU_WORKERS: '1', FLOTILLA_HOST: '0.0.0.0' };
    const open = start(settings);
    expect(await open.exited).toBe(78);
    expect(open.lines.join('\n')).toContain('FLOTILLA_API_KEYS is required: to listen at 0.0.0.0');
    // With a key, on loopback as well: this machine's own outside address is none of the test's.
    const { key, entry } = newApiKey('reader', ['read']);
    const child = start({
      ...settings,
      FLOTILLA_HOST: '127.0.0.1',
      FLOTILLA_API_KEYS: entry,
      FLOTILLA_HTTP_REQUESTS_PER_SECOND_PER_ADDRESS: '1',
    });
    await child.line(/Flotilla is ready/);
    const url = `http://127.0.0.1:${port}`;
    expect(await httpAnswer(`${url}/v1/topology`)).toMatchObject({ status: 401 });
    const withKey = (sent: string) =>
      httpAnswer(`${url}/v1/topology`, { headers: { authorization: `Bearer ${sent}` } });
    expect(await withKey('another')).toMatchObject({ status: 403 });
    expect(await withKey(key)).toMatchObject({ status: 200 });
    const asked = { method: 'POST', headers: { 'sec-fetch-site': 'same-origin' } };
    expect(await httpAnswer(`${url}/console/key`, asked)).toMatchObject({ status: 200, body: {} });
    expect(child.lines.join('\n')).not.toContain('FLOTILLA_API_KEY=');
    const statuses = async (sent: string) =>
      new Set((await Promise.all(Array.from({ length: 60 }, () => withKey(sent)))).map(({ status }) => status));
    // Above the rate of its address, a key that is unknown; one that is known has a rate of its own.
    expect(await statuses('another')).toContain(429);
    expect(await statuses(key)).toEqual(new Set([200]));
    await child.stop('SIGTERM');
  });

  test('does not start with pipe ports that are ports of a media worker of any of its nodes', async () => {
    const child = start({
      FLOTILLA_SFU_NODES: '2',
      FLOTILLA_SFU_WORKERS: '2',
      FLOTILLA_SFU_PORT_BASE: '47200',
      FLOTILLA_SFU_PIPE_PORTS: '47203-47210',
    });
    expect(await child.exited).toBe(78);
    expect(child.lines.join('\n')).toContain(
      'FLOTILLA_SFU_PIPE_PORTS: ports 47200 to 47203 are those of the workers (FLOTILLA_SFU_PORT_BASE)',
    );
  });

  test('a port in use is reported in one line, with the cure', async () => {
    for (const address of loopbacks) {
      const port = await freePort();
      const other = createServer().listen(port, address);
      const child = start({ FLOTILLA_PORT: String(port) });
      expect(await child.exited).toBe(1);
      expect(child.lines.join('\n')).toMatch(
        new RegExp(`port ${port} is in use.*: stop the other program or choose another port`),
      );
      other.close();
    }
  });
});
