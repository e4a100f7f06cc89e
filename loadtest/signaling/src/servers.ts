import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Fleet, startFleet } from '@flotilla/local-fleet';
import { gatewayConfig, nodeFlags } from '@flotilla/signaling-gateway';
import type { Child } from '@flotilla/processes';
import { RestApi } from '@flotilla/testkit';
import { RpcChild } from './rpc-child.ts';
import type { Options } from './options.ts';
import type { BareCalls, BareTick, Side } from './protocol.ts';

/** The servers of both sides. */
export interface Servers {
  readonly urls: Readonly<Record<Side, string>>;
  readonly ca: string | undefined;
  readonly fleet: Fleet;
  readonly gateway: Child;
  readonly bare: RpcChild<BareCalls, BareTick>;
  stop(): Promise<void>;
}

const concurrentRequests = 16;
/** Ping interval of both sides: the gateway's default. */
const heartbeatMs = gatewayConfig.shape.FLOTILLA_HEARTBEAT_SECONDS.parse(undefined) * 1000;

/** Creates a self-signed certificate for localhost, valid for a day. */
function makeCertificate(dir: string): { cert: string; key: string } {
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const args = ['req', '-x509', ...elliptic, '-nodes', '-days', '1', ...subject, '-keyout', key, '-out', cert];
  execFileSync('openssl', args, { stdio: 'pipe' });
  return { cert, key };
}

/** Whether the gateway supports TLS. */
export const canTls = 'FLOTILLA_TLS_CERT' in gatewayConfig.shape;

/** Starts Redis, RabbitMQ, one process of each service, and the bare server. */
export async function startServers(options: Options, onBareTick: (tick: BareTick) => void): Promise<Servers> {
  const tls = canTls && !options.plain;
  const dir = mkdtempSync(join(tmpdir(), 'flotilla-bench-'));
  const bare = new RpcChild<BareCalls, BareTick>('bare server', './bare-server.js', onBareTick, nodeFlags);
  let fleet: Fleet | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all([bare.stop(), fleet?.stop()]);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const files = tls ? makeCertificate(dir) : undefined;
    fleet = await startFleet({
      sfuNodes: 1,
      gateways: 1,
      port: 0,
      env: {
        FLOTILLA_LOG_LEVEL: 'info',
        FLOTILLA_SFU_CAPACITY: String(options.sessions * 2),
        // All clients have one address here. Limits that shed overload keep their defaults.
        FLOTILLA_MAX_CONNECTIONS: String(options.sessions * 2),
        FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: String(options.sessions * 2),
        FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS: '100000',
        FLOTILLA_MESSAGES_PER_SECOND_PER_ADDRESS: '100000',
        FLOTILLA_MESSAGES_PER_SECOND: '100000',
        ...(options.profile && { NODE_OPTIONS: '--inspect-port=127.0.0.1:0' }),
        ...(files && { FLOTILLA_TLS_CERT: files.cert, FLOTILLA_TLS_KEY: files.key }),
      },
    });
    const pem = files && { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') };
    const barePort = await bare.call('listen', { certificate: pem, heartbeatMs });
    const scheme = tls ? 'wss' : 'ws';
    return {
      urls: {
        flotilla: fleet.gatewayUrls[0]!.replace(/^https?/, scheme),
        bare: `${scheme}://127.0.0.1:${barePort}`,
      },
      ca: pem?.cert,
      fleet,
      gateway: fleet.processes.get('gateway-1')!,
      bare,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Creates the rooms over REST. Resolves to their names. */
export async function createRooms({ registryUrl, apiKey }: Fleet, count: number): Promise<string[]> {
  const api = new RestApi(registryUrl, apiKey);
  const run = Date.now().toString(36);
  const names = Array.from({ length: count }, (_, index) => `bench-${run}-${index}`);
  const left = names.values();
  const worker = async (): Promise<void> => {
    for (const name of left) await api.createRoom({ name, emptyTimeoutSeconds: 3600 });
  };
  await Promise.all(Array.from({ length: concurrentRequests }, worker));
  return names;
}
