import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeAddress, readAnnouncedAddress } from '@flotilla/image';
import { CertificateAuthority } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

describe('the external address of a node of Kubernetes', () => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-node-address-'));
  const file = join(directory, 'announced');
  const addresses = [
    { type: 'InternalIP', address: '10.77.0.11' },
    { type: 'ExternalIP', address: '2001:db8::11' },
    { type: 'ExternalIP', address: '203.0.113.11' },
    { type: 'Hostname', address: 'n1' },
  ];
  let server: Server;
  const env = (listensAt: string, name = 'n1') => ({
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: String((server.address() as AddressInfo).port),
    NODE_NAME: name,
    LISTEN_IPS: listensAt,
  });
  beforeAll(async () => {
    const authority = new CertificateAuthority(directory);
    const { cert, key } = authority.issue('api-server');
    renameSync(authority.caFile, join(directory, 'ca.crt'));
    writeFileSync(join(directory, 'token'), 'secret\n');
    server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
      const isAllowed = request.headers.authorization === 'Bearer secret';
      response.statusCode = !isAllowed ? 403 : request.url === '/api/v1/nodes/n1' ? 200 : 404;
      response.end(JSON.stringify({ kind: 'Node', status: { addresses } }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  test.each([
    ['10.88.1.5', '203.0.113.11'],
    ['10.88.1.5,fd00::5', '203.0.113.11,2001:db8::11'],
  ])('is found for %s, by family, and taken from its file', async (listensAt, expected) => {
    expect(await nodeAddress(file, env(listensAt), directory)).toBe(0);
    const settings: NodeJS.ProcessEnv = { FLOTILLA_SFU_ANNOUNCED_ADDRESS_FILE: file };
    readAnnouncedAddress(settings);
    expect(settings).toEqual({ FLOTILLA_SFU_ANNOUNCED_ADDRESS: expected });
  });

  test.each([
    ['a node that Kubernetes does not know', 'n2', /answered 404/],
    ['a node without one of the family', 'n1', /no ExternalIP of the family of fd00::5 \(203\.0\.113\.11\)/],
  ])('is refused in one line for %s', async (_, name, message) => {
    const all = addresses.splice(1, 1);
    const print = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    try {
      expect(await nodeAddress(file, env('10.88.1.5,fd00::5', name), directory)).toBe(1);
      expect(print.mock.calls.flat().join('\n')).toMatch(message);
    } finally {
      print.mockRestore();
      addresses.splice(1, 0, ...all);
    }
  });
});
