import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { metricsRegistry } from '@flotilla/runtime';
import { Child } from '@flotilla/processes';
import { waitFor } from '@flotilla/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import { ServerCertificate } from '@flotilla/runtime';
import { log, makeCertificate, open, openWebSocket, ping, startGateway } from './gateway-harness.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-certificate-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** A directory as Kubernetes mounts a secret: `tls.crt -> ..data/tls.crt`, `..data -> ..<version>`, swapped by a rename. */
class SecretMount {
  readonly cert = join(directory, 'mount', 'tls.crt');
  readonly key = join(directory, 'mount', 'tls.key');
  readonly #at = join(directory, 'mount');
  #version = 0;

  constructor(files: { cert: string; key: string }) {
    mkdirSync(this.#at);
    this.swap(files);
    for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(this.#at, name));
  }

  swap({ cert, key }: { cert: string; key: string }): void {
    const next = `..v${++this.#version}`;
    mkdirSync(join(this.#at, next));
    writeFileSync(join(this.#at, next, 'tls.crt'), readFileSync(cert));
    writeFileSync(join(this.#at, next, 'tls.key'), readFileSync(key));
    symlinkSync(next, join(this.#at, '..data_tmp'));
    renameSync(join(this.#at, '..data_tmp'), join(this.#at, '..data'));
  }
}

const fingerprint = (pem: string): string => new X509Certificate(pem).fingerprint256;

/** Fingerprint of the certificate that a new connection gets. */
const served = (port: number, maxVersion: 'TLSv1.1' | 'TLSv1.3' = 'TLSv1.3'): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      minVersion: 'TLSv1',
      maxVersion,
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    socket.on('error', reject).on('secureConnect', () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
  });

const metric = async (name: string, labels: object = {}): Promise<number | undefined> => {
  const { values } = (await metricsRegistry.getSingleMetric(name)?.get()) ?? { values: [] };
  return values.find((each) => Object.entries(labels).every(([key, value]) => each.labels[key] === value))?.value;
};
const reloads = async (outcome: string): Promise<number> =>
  (await metric('signaling_tls_certificate_reloads_total', { outcome })) ?? 0;

describe('TLS certificate', () => {
  test('a changed file is loaded while a session is open, an invalid one leaves the certificate in use', async () => {
    const [first, second, third] = ['first', 'second', 'third'].map((name) => makeCertificate(directory, name)) as [
      ReturnType<typeof makeCertificate>,
      ReturnType<typeof makeCertificate>,
      ReturnType<typeof makeCertificate>,
    ];
    const mount = new SecretMount(first);
    const warnings: string[] = [];
    const watched = log.child({}, { level: 'warn' });
    watched.warn = (fields: unknown) => void warnings.push((fields as { reason: string }).reason);
    const certificate = await ServerCertificate.load('signaling', mount, watched);
    const gateway = await startGateway({ certificate });
    const session = await openWebSocket(open(gateway.port, '', first.pem));
    const serves = (pem: string) =>
      waitFor('the certificate is served', async () => expect(await served(gateway.port)).toBe(fingerprint(pem)));
    expect(await served(gateway.port)).toBe(fingerprint(first.pem));
    const before = { ok: await reloads('ok'), failed: await reloads('failed') };

    mount.swap(second);
    await serves(second.pem);
    expect(await metric('signaling_tls_certificate_expiry_seconds')).toBe(
      new X509Certificate(second.pem).validToDate.getTime() / 1000,
    );

    mount.swap({ cert: third.cert, key: first.key });
    await waitFor('the file is refused', async () => expect(await reloads('failed')).toBe(before.failed + 1));
    await serves(second.pem);
    expect(warnings).toEqual([expect.stringContaining('not the private key of the certificate')]);

    mount.swap(third);
    await serves(third.pem);
    expect(await reloads('ok')).toBe(before.ok + 2);
    expect(await reloads('failed')).toBe(before.failed + 1);

    expect(await ping(session)).toMatchObject({ ok: true });
    await expect(served(gateway.port, 'TLSv1.1')).rejects.toThrow(/version|alert/i);
    session.close();
    await gateway.stop();
  });

  test('an unusable file fails the start with one line that names the setting and the reason', async () => {
    const [good, other] = [makeCertificate(directory, 'good'), makeCertificate(directory, 'other')];
    const garbage = join(directory, 'garbage');
    writeFileSync(garbage, 'not PEM');
    const missing = join(directory, 'missing');
    for (const [files, message] of [
      [{ cert: missing, key: good.key }, /^FLOTILLA_TLS_CERT: ENOENT.*missing/],
      [{ cert: good.cert, key: directory }, /^FLOTILLA_TLS_KEY: EISDIR/],
      [{ cert: garbage, key: good.key }, /^FLOTILLA_TLS_CERT: .*PEM/i],
      [{ cert: good.cert, key: garbage }, /^FLOTILLA_TLS_KEY: /],
      [{ cert: good.cert, key: other.key }, /^FLOTILLA_TLS_KEY: not the private key/],
    ] as const) {
      const error = await ServerCertificate.load('signaling', files, log).catch((reason: unknown) => reason as Error);
      expect(error).toBeInstanceOf(Error);
      expect((error as Error).message).toMatch(message);
      expect((error as Error).message).not.toContain('\n');
    }
  });
});

test.each([
  [{ FLOTILLA_TLS_CERT: '/tls.crt' }, 78, /FLOTILLA_TLS_KEY is required: FLOTILLA_TLS_CERT is set/],
  [{ FLOTILLA_TLS_KEY: '/tls.key' }, 78, /FLOTILLA_TLS_CERT is required: FLOTILLA_TLS_KEY is set/],
  [{ FLOTILLA_PROXY_PROTOCOL: 'true' }, 78, /FLOTILLA_TRUSTED_PROXIES.*FLOTILLA_PROXY_PROTOCOL is set/],
  [{ FLOTILLA_TRUSTED_PROXIES: '10.0.0.0/8, proxy' }, 78, /FLOTILLA_TRUSTED_PROXIES: proxy is no IP address/],
  [{ FLOTILLA_TLS_CERT: '/no/tls.crt', FLOTILLA_TLS_KEY: '/no/tls.key' }, 1, /FLOTILLA_TLS_\w+: ENOENT/],
])('a process with %j does not start, and names the reason', async (settings, code, line) => {
  const entry = fileURLToPath(new URL('./main.js', import.meta.resolve('@flotilla/signaling-gateway')));
  const env = {
    PATH: process.env['PATH'],
    FLOTILLA_TOKEN_SECRET: 'x'.repeat(32),
    FLOTILLA_ADMIN_HOST: '127.0.0.1',
    FLOTILLA_ADMIN_PORT: '0',
    ...settings,
  };
  const child = new Child('gateway', process.execPath, [entry], { env });
  await child.line(line);
  expect(await child.exited).toBe(code);
});
