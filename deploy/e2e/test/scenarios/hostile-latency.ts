import { HonestPair } from './honest-pair.ts';
import { frameAbuses, RawFrames, type Topology, withToken } from '@flotilla/testkit';
import type { HostileScenario } from './hostile-frames.ts';

/** Commits one abuse after the other, each on a connection of its own, until stopped. Returns their number. */
async function abuse(topology: Topology, room: string, stopped: () => boolean): Promise<number> {
  for (let count = 0; ;) {
    for (const frames of Object.values(frameAbuses).flatMap((abuses) => Object.values<readonly Buffer[]>(abuses))) {
      if (stopped()) return count;
      const headers = withToken(await topology.api.issueToken(room));
      // The gateway may refuse an address that connects too often. That counts as closed.
      const raw = await RawFrames.upgraded(topology.signalUrls[0]!, headers).catch(() => undefined);
      if (!raw) continue;
      for (const bytes of frames) raw.write(bytes);
      await raw.closeCode();
      raw.destroy();
      count++;
    }
  }
}

export const hostileLatency: readonly HostileScenario[] = [
  {
    title: 'an honest session is answered while all abuses of frames are repeated on other connections',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        report(`before: ${await pair.after(100)}`);
        let over = false;
        const abuses = abuse(topology, pair.room, () => over);
        try {
          report(`during: ${await pair.after(200)}`);
        } finally {
          over = true;
        }
        report(`abuses meanwhile: ${await abuses}`);
      }),
  },
];
