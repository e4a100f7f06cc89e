// `flotilla check-call`: a call of two participants through a fleet, as `helm test` makes it.
import { randomUUID } from 'node:crypto';
import { RegistryClient } from '@flotilla/console';
import { endTransports, LightPeer } from '@flotilla/light-peer';
import { ConfigError, loadConfig, registryFetch } from '@flotilla/runtime';
import type { z } from 'zod';
import { callConfig } from './call-config.ts';

/** Time for the whole call, in milliseconds. */
const withinMs = 60_000;
/** Packets of each stream that show that it flows. */
const enoughPackets = 20;
const checkIntervalMs = 100;

/** Prints one line: what was seen, or what keeps the call from working. Returns the exit code: 0, 1, or 78 as `check` does. */
export async function checkCall(env: NodeJS.ProcessEnv = process.env): Promise<number> {
  const peers: LightPeer[] = [];
  try {
    const config = loadConfig(callConfig, env);
    const began = performance.now();
    const deadline = began + withinMs;
    await joinBoth(config, peers);
    while (peers.some((peer) => streamsOf(peer) < 2)) {
      if (performance.now() > deadline) {
        const counts = peers.map((peer) => `${peer.name} receives ${streamsOf(peer)} of 2 streams`).join(', ');
        throw new Error(`media does not flow: ${counts}. ${peers.flatMap(({ problems }) => problems).join('; ')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, checkIntervalMs));
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`two participants received audio and video of each other, after ${seconds} s (${peers[0]!.nodeId})`);
    return 0;
  } catch (error) {
    console.log(messageOf(error));
    return error instanceof ConfigError ? 78 : 1;
  } finally {
    for (const peer of peers) peer.close();
    endTransports();
  }
}

async function joinBoth(config: z.output<typeof callConfig>, peers: LightPeer[]): Promise<void> {
  const { FLOTILLA_SIGNAL_URL: url, FLOTILLA_REGISTRY_URL: registryUrl, FLOTILLA_API_KEY: key } = config;
  let reason: string | undefined;
  const registry = new RegistryClient({
    url: () => registryUrl,
    apiKey: () => key,
    fetch: registryFetch(config),
    onUnreachable: ({ message }) => (reason = message),
  });
  const room = `check-${randomUUID().slice(0, 8)}`;
  for (const name of ['first', 'second']) {
    const { token } = await registry.issueJoinToken(room, name).catch((error: unknown) => {
      throw new Error(`no token from the REST API at ${registryUrl}: ${reason ?? messageOf(error)}`, { cause: error });
    });
    peers.push(await LightPeer.join({ url, token, room, name }).catch((error: unknown) => unreached(url, error)));
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function unreached(url: string, error: unknown): never {
  const reason = messageOf(error);
  const cure = reason.includes('UPGRADE_REQUIRED')
    ? ' Gateways serve TLS only: name the URL that clients use, or set FLOTILLA_ALLOW_PLAIN where a mesh encrypts.'
    : '';
  throw new Error(`no participant can join through ${url}: ${reason}.${cure}`, { cause: error });
}

/** Number of streams that a peer receives. */
const streamsOf = (peer: LightPeer): number =>
  peer.takeReceived().filter(({ packets }) => packets >= enoughPackets).length;
