import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, freePort } from '@flotilla/processes';
import { RestApi } from '@flotilla/testkit';

export interface TestEdge {
  readonly url: string;
  readonly api: RestApi;
  /** Folder of its recordings. */
  readonly recordings: string;
  /** Stops it as an orchestrator does. Resolves to its exit code; the folder of its recordings stays. */
  stop(): Promise<number | string>;
  /** Stops it and removes its recordings. */
  remove(): Promise<void>;
}

/** What an edge needs of a topology or a fleet: its REST API and a gateway. */
export interface EdgeFleet {
  readonly api: RestApi;
  readonly gatewayUrl: string;
}

/** Starts a media edge beside a fleet. By default its REST API asks for no key. */
export async function startEdge(
  { api, gatewayUrl }: EdgeFleet,
  keys: Readonly<Record<string, string>> = { FLOTILLA_API_OPEN: 'true' },
): Promise<TestEdge> {
  const [port, base] = [await freePort(), await freePort()];
  const recordings = mkdtempSync(join(tmpdir(), 'flotilla-recordings-'));
  const main = fileURLToPath(new URL('./main.js', import.meta.resolve('@flotilla/media-edge')));
  const child = new Child('media-edge', process.execPath, [main], {
    env: {
      PATH: process.env['PATH'],
      ...keys,
      ...(api.apiKey !== undefined && { FLOTILLA_API_KEY: api.apiKey }),
      FLOTILLA_EDGE_HOST: '127.0.0.1',
      FLOTILLA_EDGE_PORT: String(port),
      FLOTILLA_EDGE_RTP_PORTS: `${base}-${base + 40}`,
      FLOTILLA_EDGE_RECORDINGS_DIR: recordings,
      FLOTILLA_EDGE_RECORDINGS_MIN_FREE_BYTES: '0',
      FLOTILLA_REGISTRY_URL: api.url,
      FLOTILLA_SIGNAL_URL: gatewayUrl,
      FLOTILLA_STOP_DELAY_SECONDS: '0',
      FLOTILLA_ADMIN_PORT: '0',
    },
  });
  await child.line(/media edge listens/);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    api: new RestApi(url, undefined),
    recordings,
    stop: () => child.stop(),
    remove: async () => {
      await child.stop();
      rmSync(recordings, { recursive: true });
    },
  };
}
