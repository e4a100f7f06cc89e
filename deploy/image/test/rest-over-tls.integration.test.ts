import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { newApiKey } from '@flotilla/auth';
import { adminUrlOf, Child, freePort } from '@flotilla/processes';
import { fetchOverTls, pemText } from '@flotilla/runtime';
import { CertificateAuthority, notYet, testBrokers, waitFor } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const entry = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'flotilla-rest-tls-'));
const children: Child[] = [];
afterAll(async () => {
  await Promise.all(children.map((child) => child.stop()));
  rmSync(directory, { recursive: true });
});

async function start(service: string, settings: Readonly<Record<string, string>>): Promise<Child> {
  const child = new Child(service, process.execPath, [entry, service], {
    env: {
      PATH: process.env['PATH'],
      FLOTILLA_ADMIN_HOST: '127.0.0.1',
      FLOTILLA_ADMIN_PORT: '0',
      FLOTILLA_STOP_DELAY_SECONDS: '0',
      ...settings,
    },
  });
  children.push(child);
  await child.line(/"started"/);
  return child;
}

/** Fingerprint of the certificate that a new connection gets. */
const served = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    socket.on('error', reject).on('secureConnect', () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
  });

describe('the REST API over TLS, with certificates of clients', () => {
  const first = new CertificateAuthority(directory);
  const registryFiles = first.issue('registry');
  const consoleFiles = first.issue('console');
  const { key, entry: apiKeys } = newApiKey('console', ['rooms', 'tokens']);
  let registry: Child;
  let registryPort: number;

  beforeAll(async () => {
    const { redisUrl, amqpUrl } = testBrokers();
    registryPort = await freePort();
    registry = await start('registry', {
      REDIS_URL: redisUrl,
      AMQP_URL: amqpUrl,
      FLOTILLA_TOKEN_SECRET: 'x'.repeat(32),
      FLOTILLA_API_KEYS: apiKeys,
      FLOTILLA_REST_HOST: '127.0.0.1',
      FLOTILLA_REST_PORT: String(registryPort),
      FLOTILLA_REST_TLS_CERT: registryFiles.cert,
      FLOTILLA_REST_TLS_KEY: registryFiles.key,
      FLOTILLA_REST_TLS_CLIENT_CA: first.caFile,
    });
  });

  async function startConsole(settings: Readonly<Record<string, string>>) {
    const port = await freePort();
    const child = await start('console', {
      FLOTILLA_CONSOLE_HOST: '127.0.0.1',
      FLOTILLA_CONSOLE_PORT: String(port),
      FLOTILLA_CONSOLE_OPEN: 'true',
      FLOTILLA_API_KEY: key,
      FLOTILLA_REGISTRY_URL: `https://127.0.0.1:${registryPort}`,
      ...settings,
    });
    return { child, port };
  }

  const joinThrough = async (url: string, send: typeof fetch | ReturnType<typeof fetchOverTls> = fetch) => {
    const response = await send(new URL('/console/entry', url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ room: 'tls', name: 'Ada' }),
    });
    return { status: response.status, body: (await response.json()) as { token?: string } };
  };

  test('a console with a certificate gets tokens, also after the certificates were replaced', async () => {
    const { port } = await startConsole({
      FLOTILLA_CONSOLE_TLS_CERT: consoleFiles.cert,
      FLOTILLA_CONSOLE_TLS_KEY: consoleFiles.key,
      FLOTILLA_REGISTRY_TLS_CA_FILE: first.caFile,
      FLOTILLA_REGISTRY_TLS_CERT_FILE: consoleFiles.cert,
      FLOTILLA_REGISTRY_TLS_KEY_FILE: consoleFiles.key,
    });
    const url = `https://127.0.0.1:${port}`;
    const trusting = () => fetchOverTls({ ca: pemText(first.caFile) });
    expect(await joinThrough(url, trusting())).toMatchObject({ status: 201, body: { token: expect.any(String) } });

    const before = await Promise.all([served(registryPort), served(port)]);
    // Another authority, in the same files.
    const second = new CertificateAuthority(directory);
    second.issue('registry');
    second.issue('console');
    await waitFor(
      'both serve the new certificates',
      async () => {
        const now = await Promise.all([served(registryPort), served(port)]);
        return now.every((fingerprint, nth) => fingerprint !== before[nth]) || notYet(now.join(', '));
      },
      { timeoutMs: 30_000 },
    );
    expect(await joinThrough(url, trusting())).toMatchObject({ status: 201, body: { token: expect.any(String) } });
  });

  test('a console without a certificate, or that does not trust the authority, gets none and logs the reason', async () => {
    const consoles = await Promise.all([
      startConsole({ FLOTILLA_REGISTRY_TLS_CA_FILE: first.caFile }),
      startConsole({ FLOTILLA_REGISTRY_TLS_CA_FILE: '' }),
    ]);
    for (const { port } of consoles)
      expect(await joinThrough(`http://127.0.0.1:${port}`)).toMatchObject({
        status: 503,
        body: { error: { code: 'UNAVAILABLE', message: 'the room registry cannot be reached' } },
      });
    await consoles[0].child.line(/certificate required.*the REST API cannot be used/i);
    await consoles[1].child.line(/(?:self-signed|unable to).* certificate.*the REST API cannot be used/i);
  });

  test('plain HTTP is not answered on the port of the REST API', async () => {
    await expect(fetch(`http://127.0.0.1:${registryPort}/v1/rooms`)).rejects.toThrow('fetch failed');
  });

  test('probes and metrics stay on the admin port, over plain HTTP', async () => {
    const admin = await adminUrlOf(registry);
    expect((await fetch(`${admin}/readyz`)).status).toBe(200);
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    expect(metrics).toMatch(/^registry_tls_certificate_expiry_seconds \d+$/m);
  });
});
