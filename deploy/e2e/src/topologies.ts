import { fileURLToPath } from 'node:url';
import { TokenIssuer } from '@flotilla/auth';
import { roomGrants } from '@flotilla/contracts';
import { mediaAt } from '@flotilla/local-fleet';
import { Child, freePort, startKeyOf } from '@flotilla/processes';
import { loopbackAddress } from '@flotilla/runtime';
import { RestApi, type Topology } from '@flotilla/testkit';
import type { FleetStore } from './fleet-store.ts';
import { startTestFleet, type TestFleet } from './test-fleet.ts';

const issuerOf = (secret: string): TokenIssuer => new TokenIssuer({ secret, issuer: 'flotilla', audience: 'flotilla' });

/** A token that expired longer ago than the tolerated clock skew of 30 s. */
const expired = (issuer: TokenIssuer, room: string): Promise<string> =>
  issuer.issue({ userId: 'late', room, grants: [], ttlSeconds: -60 }).then(({ token }) => token);

const anyRoom = (issuer: TokenIssuer, userId: string): Promise<string> =>
  issuer.issue({ userId, room: '*', grants: [...roomGrants], ttlSeconds: 60 }).then(({ token }) => token);

const onLoopback = mediaAt([loopbackAddress]);

/** `npm start`: every service in one process over memory. `settings` are environment variables; by default media is on loopback only. */
export async function standalone(settings: Readonly<Record<string, string>> = {}): Promise<Topology> {
  const secret = 'a secret that only this test knows';
  const port = settings['FLOTILLA_PORT'] ?? (await freePort());
  const pageUrl = `http://127.0.0.1:${port}`;
  const process_ = new Child(
    'standalone',
    process.execPath,
    [fileURLToPath(import.meta.resolve('@flotilla/standalone'))],
    {
      env: {
        PATH: process.env['PATH'],
        MEDIASOUP_WORKER_BIN: process.env['MEDIASOUP_WORKER_BIN'],
        FLOTILLA_PORT: `${port}`,
        FLOTILLA_TOKEN_SECRET: secret,
        FLOTILLA_ALLOWED_ORIGINS: pageUrl,
        FLOTILLA_LOG_LEVEL: 'info',
        FLOTILLA_API_REQUESTS_PER_SECOND: '10000',
        ...onLoopback,
        ...settings,
      },
    },
  );
  await process_.line(/Flotilla is ready/);
  return {
    name: 'standalone',
    pageUrl,
    signalUrls: [pageUrl],
    api: new RestApi(pageUrl, await startKeyOf(process_)),
    expiredToken: (room) => expired(issuerOf(secret), room),
    tokenOf: (userId) => anyRoom(issuerOf(secret), userId),
    processOfNode: () => process_.process.pid!,
    stop: async () => {
      await process_.stop();
    },
  };
}

/** A fleet as scenarios use it, with its store. */
export interface FleetTopology extends Topology {
  readonly store: FleetStore;
}

/** `npm run fleet`: separate processes, two gateways and two SFU nodes, over Redis and RabbitMQ. */
export async function fleet(settings: Readonly<Record<string, string>> = {}): Promise<FleetTopology> {
  return asTopology(await startTestFleet('fleet', { sfuNodes: 2, gateways: 2, env: settings }));
}

/** A fleet as scenarios use it. */
export function asTopology(running: TestFleet): FleetTopology {
  return {
    name: 'fleet',
    pageUrl: running.pageUrl,
    signalUrls: running.gatewayUrls,
    api: running.api,
    store: running.store,
    expiredToken: (room) => expired(issuerOf(running.tokenSecret), room),
    tokenOf: (userId) => anyRoom(issuerOf(running.tokenSecret), userId),
    processOfNode: (nodeId) => running.processes.get(nodeId)!.process.pid!,
    stop: () => running.stop(),
  };
}
