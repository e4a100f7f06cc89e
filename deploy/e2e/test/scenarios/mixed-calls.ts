import { migrationTimeoutMs } from '@flotilla/contracts';
import { notYet, uniqueName, waitFor } from '@flotilla/testkit';
import { expect } from 'vitest';
import { type CallScenario, callScenarios, meets, withPages } from './calls.ts';

/** Participants in different browsers. */
export const mixedScenarios: readonly CallScenario[] = [
  ...callScenarios.filter(({ mixed }) => mixed),
  {
    title:
      'a participant without camera, microphone and screen receives audio and video of the other, whose page shows its tile',
    run: (topology, browserOf) =>
      withPages(
        async (join) => {
          const room = uniqueName('call');
          const ada = await join({ room, name: 'ada' });
          const bob = await join({ room, name: 'bob', withoutDevices: true });
          await bob.receivesMediaOf('ada');
          await ada.hasTilesOf(['bob']);
          expect(await bob.publicationIds()).toEqual([]);
          expect(await ada.receivedFrom('bob')).toEqual({ videoFrames: 0, videoWidth: 0, audioBytes: 0 });
        },
        topology,
        browserOf,
      ),
  },
  {
    title:
      'each of two participants is migrated in turn: both keep receiving audio and video of each other, and their ids',
    run: (topology, browserOf, report) =>
      withPages(
        async (join) => {
          const room = uniqueName('call');
          const ada = await join({ room, name: 'ada' });
          const bob = await join({ room, name: 'bob' });
          await meets(ada, bob);
          for (const call of [ada, bob]) {
            await call.watchFrames();
            await call.watchMoves();
          }
          for (const [migrated, other] of [
            [ada, bob],
            [bob, ada],
          ] as const) {
            const [before, publications] = [await migrated.room(), await migrated.publicationIds()];
            const path = `/v1/rooms/${room}/participants/${before.me}/migrate`;
            const { status, body } = await topology.api.request('POST', path, {});
            expect({ status, body }).toMatchObject({ status: 202 });
            const move = await waitFor(
              `${migrated.name} is migrated`,
              async () => (await migrated.moves())[0] ?? notYet(`it is on ${(await migrated.room()).nodeId}`),
              { timeoutMs: migrationTimeoutMs + 5000 },
            );
            expect(move).toEqual({ ms: expect.any(Number) as number });
            // Meanwhile the other side follows, and the previous one closes.
            for (let second = 1; second <= 3; second++) {
              const frames = await Promise.all([
                migrated.framesDuring(other.name, 1000),
                other.framesDuring(migrated.name, 1000),
              ]);
              expect(Math.min(...frames), `frames in second ${second} after the migration`).toBeGreaterThan(0);
            }
            await meets(migrated, other);
            const { toNode } = body as { toNode: string };
            expect(toNode).not.toBe(before.nodeId);
            expect(await migrated.room()).toEqual({ ...before, nodeId: toNode });
            expect(await migrated.publicationIds()).toEqual(publications);
            for (const call of [migrated, other]) {
              const gaps = (await call.takeFrameGaps()).map(({ longest }) => Math.round(longest));
              report(
                `${migrated.name} was migrated: longest gap between frames that ${call.name} saw: ${gaps.join(', ')} ms`,
              );
            }
          }
        },
        topology,
        browserOf,
      ),
  },
];
