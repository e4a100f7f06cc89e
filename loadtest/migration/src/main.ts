import { setTimeout } from 'node:timers/promises';
import { mediaAt, startFleet } from '@flotilla/local-fleet';
import {
  endOnStopRequest,
  endProgress,
  markdown,
  number,
  oneOf,
  progress,
  readOptions,
  runInfo,
  share,
  summarize,
  writeReport,
} from '@flotilla/loadtest-kit';
import { freePort } from '@flotilla/processes';
import { localAddresses } from '@flotilla/runtime';
import {
  CallPage,
  launchBrowser,
  launchFirefox,
  notYet,
  RestApi,
  type Tab,
  type TabBrowser,
  UdpRelay,
  waitFor,
} from '@flotilla/testkit';
import { type Gap, heads, report } from './report.ts';

const names = ['ada', 'bob', 'cleo'];
const room = 'moving';
/** Time after a migration that still belongs to its measurement, in which the others resubscribe and the previous media closes. */
const settleMs = 3500;
const restMs = 4000;
const restEvery = 10;

const about = `Migrates the participants of a call of three between SFU nodes, and measures the longest gap between two rendered frames during
each migration, and the concealed audio, in comparison to the same call at rest. With loss, delay or jitter all media goes
through relays that impair it in each direction.`;
const {
  migrations,
  browser: browserName = 'chromium',
  loss,
  delay,
  jitter,
  height,
  fps,
} = readOptions('bench:migration', about, {
  migrations: number('number of migrations', 100, 1, 10_000),
  browser: oneOf('default: chromium', ['chromium', 'firefox']),
  loss: share('fraction of packets that the relays lose', 0),
  delay: number('ms that the relays delay packets', 0, 0, 1000),
  jitter: number('ms that the relays delay packets besides, at most', 0, 0, 1000),
  height: number(
    'lines of the pictures: 180, 360 or 720. Three browsers share this machine with the fleet',
    720,
    180,
    720,
  ),
  fps: number('pictures per second', 20, 10, 30),
});
endOnStopRequest();
const impaired = loss > 0 || delay > 0 || jitter > 0;
/** Firefox ignores ICE candidates on loopback. */
const mediaAddress = browserName === 'firefox' ? (await localAddresses()).at(-1)! : '127.0.0.1';
/** Address in the ICE candidates, on which the relays listen. The nodes listen on 127.0.0.1, at the same ports. */
const relayHost = browserName === 'firefox' ? mediaAddress : '127.0.0.2';

/** The longest gaps since the last call, by viewer and publisher. */
async function takeGaps(
  pages: readonly CallPage<Tab>[],
  owners: ReadonlyMap<string, string>,
): Promise<Omit<Gap, 'round' | 'migrated'>[]> {
  const taken = await Promise.all(
    pages.map(async (page) =>
      (await page.takeFrameGaps()).map(({ publicationId, longest }) => ({
        viewer: page.name,
        of: owners.get(publicationId) ?? '?',
        ms: longest,
      })),
    ),
  );
  return taken.flat();
}

const relays: UdpRelay[] = [];
const ports = new Map<string, number>();
if (impaired) {
  const impairment = { loss, delayMs: delay, jitterMs: jitter };
  for (const nodeId of ['nd_1', 'nd_2', 'nd_3']) {
    const port = await freePort();
    ports.set(nodeId, port);
    relays.push(await UdpRelay.start({ host: relayHost, port, targetPort: port, up: impairment, down: impairment }));
  }
}
/** Measures concealed audio from now on. The returned function returns it in ms per second of audio. */
async function watchAudio(page: CallPage<Tab>): Promise<() => Promise<number>> {
  const before = await page.audioSoFar();
  return async () => {
    const now = await page.audioSoFar();
    return ((now.concealedMs - before.concealedMs) / Math.max(now.playedMs - before.playedMs, 1)) * 1000;
  };
}

const fleet = await startFleet({
  sfuNodes: 3,
  gateways: 2,
  port: 0,
  env: { FLOTILLA_NAMESPACE: 'bench-migration', ...(!impaired && mediaAt([mediaAddress])) },
  sfuEnv: (nodeId): Record<string, string> =>
    impaired ? { FLOTILLA_SFU_PORT_BASE: String(ports.get(nodeId)), FLOTILLA_SFU_ANNOUNCED_ADDRESS: relayHost } : {},
});
const browser: TabBrowser & { close(): Promise<void> } =
  browserName === 'firefox'
    ? await launchFirefox({ framesPerSecond: fps })
    : await launchBrowser({ args: [`--use-fake-device-for-media-stream=fps=${fps}`] });
const camera = { width: (height * 16) / 9, height };
/** Small pictures in small windows: drawing costs as much as decoding. */
const viewport = height < 720 ? { width: 640, height: 480 } : { width: 1280, height: 800 };
const gaps: Gap[] = [];
const atRest: number[] = [];
const took: number[] = [];
/** Concealed audio in ms per second of audio: at rest, and during migrations for the migrated participant and for the others. */
const concealed = { atRest: [] as number[], migrated: [] as number[], others: [] as number[] };
const failures: string[] = [];
try {
  const api = new RestApi(fleet.registryUrl, fleet.apiKey);
  const pages = await Promise.all(
    names.map((name) => CallPage.join(browser, fleet.pageUrl, { room, name, camera, viewport })),
  );
  for (const page of pages) for (const name of names) if (name !== page.name) await page.receivesMediaOf(name);
  const owners = new Map<string, string>();
  for (const page of pages) {
    await page.watchFrames();
    await page.watchMoves();
    for (const id of await page.publicationIds()) owners.set(id, page.name);
  }
  for (let round = 1; round <= migrations; round++) {
    if (round % restEvery === 1) {
      await takeGaps(pages, owners);
      const audio = await Promise.all(pages.map(watchAudio));
      await setTimeout(restMs);
      concealed.atRest.push(...(await Promise.all(audio.map((take) => take()))));
      atRest.push(...(await takeGaps(pages, owners)).map(({ ms }) => ms));
    }
    const migrated = pages[round % pages.length]!;
    const { me } = await migrated.room();
    await takeGaps(pages, owners);
    const audio = await Promise.all(pages.map(watchAudio));
    await waitFor(`the migration of ${migrated.name} is accepted`, async () => {
      const { status, body } = await api.request('POST', `/v1/rooms/${room}/participants/${me}/migrate`, {});
      // On an impaired path the planner may have started a migration.
      if (status !== 202) notYet(JSON.stringify(body));
    });
    const before = (await migrated.moves()).length;
    const move = await waitFor(
      `the end of the migration of ${migrated.name}`,
      async () => (await migrated.moves())[before] ?? notYet('it has not'),
      { timeoutMs: 30_000 },
    );
    if (move.ms === undefined) failures.push(`${round}: ${move.error}`);
    else took.push(move.ms);
    await setTimeout(settleMs);
    const seen = await takeGaps(pages, owners);
    for (const [index, page] of pages.entries())
      concealed[page === migrated ? 'migrated' : 'others'].push(await audio[index]!());
    gaps.push(...seen.map((gap) => ({ ...gap, round, migrated: migrated.name })));
    const worst = Math.max(...seen.map(({ ms }) => ms));
    progress(
      `migration ${round} of ${migrations}: ${Math.round(move.ms ?? 0)} ms, longest gap ${Math.round(worst)} ms, ${failures.length} failed`,
    );
  }
} finally {
  endProgress();
  await browser.close();
  await fleet.stop();
  for (const relay of relays) await relay.close();
}

const row = (what: string, values: readonly number[]): (string | number)[] => {
  const { count, p50, p95, p99, max } = summarize(values);
  return [what, count, ...[p50, p95, p99, max].map(Math.round)];
};
const seenBy = (what: string, chosen: (gap: Gap) => boolean): (string | number)[] =>
  row(
    what,
    gaps.filter(chosen).map(({ ms }) => ms),
  );
const rows = [
  row('without a migration', atRest),
  seenBy('received by the migrated participant', ({ viewer, migrated }) => viewer === migrated),
  seenBy('received by others from the migrated participant', ({ of, migrated }) => of === migrated),
  seenBy('received by others from others', ({ viewer, of, migrated }) => viewer !== migrated && of !== migrated),
];
const durationRows = [row('all participants', took)];
const audioRows = [
  row('without a migration', concealed.atRest),
  row('received by the migrated participant', concealed.migrated),
  row('received by others', concealed.others),
];
const pictures = `${browserName === 'firefox' ? 'Firefox' : 'Chromium'}. Pictures of ${height} lines, ${fps} per second. `;
const path = impaired ? `Each way ${loss * 100} % of packets lost, ${delay} ms delay, up to ${jitter} ms jitter. ` : '';
console.log(`
${pictures}${path}

Longest gap between rendered frames (goal: p95 <= 150 ms, no migration fails)

${markdown([], [{ head: heads.gaps, rows }])}

Duration of a migration

${markdown([], [{ head: heads.durations, rows: durationRows }])}

Concealed audio

${markdown([], [{ head: heads.audio, rows: audioRows }])}

${failures.length} of ${migrations} failed${failures.length > 0 ? `:\n${failures.join('\n')}` : '.'}`);
const results = { ...runInfo(), path: pictures + path, rows, durationRows, audioRows, gaps, failures };
writeReport(import.meta.url, report(results), results);
