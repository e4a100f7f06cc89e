import { execFileSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type IceServer, signalRequests } from '@flotilla/contracts';
import { LightPeer } from '@flotilla/light-peer';
import { Child, freePort } from '@flotilla/processes';
import { notYet, RawClient, type Topology, waitFor } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { standalone } from '../src/index.ts';
import { TurnClient, type TurnServer } from './turn-client.ts';

const configuration = fileURLToPath(new URL('../../../charts/flotilla/files/turnserver.conf', import.meta.url));
const host = '127.0.0.1';
const room = 'relayed';

/** A certificate and its key in files, as coturn's settings. */
function certificateIn(folder: string): { cert: string; pkey: string } {
  const [cert, pkey] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const names = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=IP:${host}`];
  const keys = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync('openssl', ['req', '-x509', ...keys, ...names, '-keyout', pkey, '-out', cert], { stdio: 'pipe' });
  return { cert, pkey };
}

describe('TURN credentials of the fleet, with coturn in the configuration of the chart', () => {
  let coturn: Child;
  let topology: Topology;
  let port: number;
  let tlsPort: number;
  let directory: string;
  const secret = randomBytes(24).toString('base64url');

  beforeAll(async () => {
    port = await freePort();
    tlsPort = await freePort();
    directory = mkdtempSync(join(tmpdir(), 'flotilla-turn-'));
    const certificate = certificateIn(directory);
    const settings = {
      'listening-ip': host,
      'relay-ip': host,
      'listening-port': port,
      'static-auth-secret': secret,
      'allowed-peer-ip': host,
      ...certificate,
    };
    coturn = new Child('coturn', 'turnserver', [
      ...['-c', configuration, '--allow-loopback-peers', `--tls-listening-port=${tlsPort}`],
      ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
    ]);
    await coturn.line(/admin thread/);
    topology = await standalone({
      FLOTILLA_TURN_URLS: `turn:${host}:${port}?transport=udp`,
      FLOTILLA_TURN_SECRET: secret,
    });
    await topology.api.createRoom({ name: room });
  });
  afterAll(async () => {
    await topology?.stop();
    await coturn?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function issued(): Promise<IceServer> {
    const client = await RawClient.connect(topology.signalUrls[0]!, {
      token: await topology.api.issueToken(room, { userId: 'ada' }),
    });
    onTestFinished(() => client.close());
    const { payload } = await client.request('join', { room });
    return signalRequests.join.reply.parse(payload).iceServers![0]!;
  }

  function turnClient(
    credential: Pick<IceServer, 'username' | 'credential'>,
    server: TurnServer = { host, port },
  ): TurnClient {
    const client = new TurnClient(server, credential);
    onTestFinished(() => client.close());
    return client;
  }

  test('the issued credential allocates a relay that reaches SFU nodes and no other address', async () => {
    const client = turnClient(await issued());
    expect(await client.allocate()).toBe(0);
    expect(await client.permit(host)).toBe(0);
    expect(await client.permit('127.0.0.2')).toBe(403);
    expect(await client.permit('10.0.0.1')).toBe(403);
  });

  test.each(['tcp', 'tls'] as const)('the issued credential allocates a relay over %s', async (transport) => {
    // The plain port serves TLS, too: with the chart, clients of all kinds reach one port.
    for (const each of transport === 'tls' ? [port, tlsPort] : [port]) {
      const client = turnClient(await issued(), { host, port: each, transport });
      expect(await client.allocate()).toBe(0);
      expect(await client.permit(host)).toBe(0);
      expect(await client.permit('10.0.0.1')).toBe(403);
    }
  });

  test('a credential that has expired, and one of another secret, are refused', async () => {
    const of = (key: string, expiresAt: number) => {
      const username = `${expiresAt}:ss_a`;
      return { username, credential: createHmac('sha1', key).update(username).digest('base64') };
    };
    const now = Math.floor(Date.now() / 1000);
    expect(await turnClient(of(secret, now + 60)).allocate()).toBe(0);
    expect(await turnClient(of(secret, now - 60)).allocate()).toBe(401);
    expect(await turnClient(of('another secret', now + 60)).allocate()).toBe(401);
  });

  test('two peers whose media goes only through the relay receive audio and video of each other', async () => {
    const [url] = topology.signalUrls;
    const join = async (userId: string) =>
      LightPeer.join({ url: url!, token: await topology.api.issueToken(room, { userId }), room, relayed: true });
    const peers = await Promise.all(['ada', 'bob'].map(join));
    onTestFinished(() => {
      for (const peer of peers) peer.close();
    });
    await waitFor('media of each other', () => {
      for (const peer of peers) {
        const received = peer.takeReceived().filter(({ packets }) => packets > 10);
        if (received.length < 2) notYet(`${received.length} streams`);
      }
      return true;
    });
    expect(peers.flatMap(({ problems }) => problems)).toEqual([]);
  });
});
