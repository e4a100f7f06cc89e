import { expect } from 'vitest';
import { notYet, TcpProxy, waitFor } from '@flotilla/testkit';
import { type Call, type CallScenario, meets, withPages } from './calls.ts';
import { newPeerRoom } from './peers.ts';

/** The part of the SDK's room that these scenarios read. */
interface PeerRoom {
  readonly mediaMode: string;
  readonly directCall?: {
    readonly link?: { readonly state: { signaling: string; connection: string; collisions: number } };
    restartIce(): void;
    resumed(options: { isComplete: boolean }): void;
  };
  readonly participants: ReadonlyMap<string, { readonly publications: ReadonlyMap<string, PeerPublication> }>;
  on(name: 'participantLeft' | 'publicationRemoved', listener: () => void): void;
}
interface PeerPublication {
  readonly track?: MediaStreamTrack;
  subscribe(): Promise<void>;
  unsubscribe(): Promise<void>;
}
declare const flotilla: { readonly room: PeerRoom };
/** Set by `watch` in the page. */
declare const watched: { longestGapMs: number; frames: number; lost: number };

const stateOf = ({ page }: Call) =>
  page.evaluate(() => ({
    mode: flotilla.room.mediaMode,
    connected: flotilla.room.directCall !== undefined,
    ...flotilla.room.directCall?.link?.state,
  }));

const publicationsIn = ({ page }: Call): Promise<string[]> =>
  page.evaluate(() => [...flotilla.room.participants.values()].flatMap(({ publications }) => [...publications.keys()]));

const tracksIn = ({ page }: Call): Promise<number> =>
  page.evaluate(
    () =>
      [...flotilla.room.participants.values()]
        .flatMap(({ publications }) => [...publications.values()])
        .filter(({ track }) => track).length,
  );

/** Subscribes to or unsubscribes from all publications. */
const setSubscriptions = ({ page }: Call, what: 'subscribe' | 'unsubscribe'): Promise<void> =>
  page.evaluate(async (method) => {
    for (const { publications } of flotilla.room.participants.values())
      for (const publication of publications.values()) await publication[method]();
  }, what);

/** Waits until the two are connected to each other, without a pending negotiation. */
async function settled(...calls: Call[]): Promise<void> {
  await waitFor('connected and stable connections of both', async () => {
    for (const call of calls) {
      const { signaling, connection } = await stateOf(call);
      if (signaling !== 'stable' || connection !== 'connected')
        notYet(`${call.name} is ${signaling} and ${connection}`);
    }
  });
}

/** Waits until frames are rendered, also when the frame counter restarts. */
async function pictureMoves(call: Call, name: string): Promise<void> {
  let [last, rises] = [0, 0];
  await waitFor(
    `${call.name} sees ${name} move`,
    async () => {
      const { videoFrames } = await call.receivedFrom(name);
      rises = videoFrames > last ? rises + 1 : 0;
      last = videoFrames;
      if (rises < 5) notYet(`frame ${last}, after ${rises} rises`);
    },
    { everyMs: 100 },
  );
}

/** Starts to measure the time to the first remote frame, and to count lost participants and tracks. */
async function watch({ page }: Call): Promise<void> {
  await page.evaluate(() => {
    const all = (root: ParentNode): Element[] =>
      [...root.querySelectorAll('*')].flatMap((element) => [
        element,
        ...(element.shadowRoot ? all(element.shadowRoot) : []),
      ]);
    const video = all(document).find(
      (element): element is HTMLVideoElement =>
        element instanceof HTMLVideoElement && element.dataset['publication'] !== undefined,
    )!;
    const seen = { longestGapMs: 0, frames: 0, lost: 0 };
    Object.assign(globalThis, { watched: seen });
    flotilla.room.on('participantLeft', () => seen.lost++);
    flotilla.room.on('publicationRemoved', () => seen.lost++);
    let last: number | undefined;
    const onFrame = (now: number): void => {
      if (last !== undefined) seen.longestGapMs = Math.max(seen.longestGapMs, now - last);
      last = now;
      seen.frames++;
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  });
}

/** Scenarios of peer-to-peer calls in browsers. */
export const peerCallScenarios: readonly CallScenario[] = [
  {
    title:
      'two participants exchange media directly, through mutes, a lost socket, a reload and 50 simultaneous offers',
    run: (topology, browserOf, report) =>
      withPages(
        async (join) => {
          const room = await newPeerRoom(topology);
          const proxy = await TcpProxy.to(Number(new URL(topology.signalUrls[0]!).port));
          try {
            const ada = await join({ room, name: 'ada' });
            const bob = await join({ room, name: 'bob', signalUrl: `http://127.0.0.1:${proxy.port}` });
            await meets(ada, bob);
            for (const call of [ada, bob]) {
              expect(await stateOf(call)).toMatchObject({ mode: 'peer', connection: 'connected' });
              expect((await call.room()).nodeId).toBeUndefined();
            }

            await ada.press('camera');
            await waitFor('the removed publication', async () =>
              (await publicationsIn(bob)).length === 1 ? undefined : notYet('it is there'),
            );
            await ada.press('camera');
            await ada.press('mic');
            await bob.showsMuted('ada');
            await ada.press('mic');
            await bob.receivesMediaOf('ada');

            await setSubscriptions(bob, 'unsubscribe');
            await waitFor('no received tracks', async () => {
              const tracks = await tracksIn(bob);
              if (tracks > 0) notYet(`${tracks} tracks are`);
            });
            await setSubscriptions(bob, 'subscribe');
            await bob.receivesMediaOf('ada');

            let met = 0;
            let before = 0;
            for (let round = 1; round <= 50; round++) {
              const frames = [(await ada.receivedFrom('bob')).videoFrames, (await bob.receivedFrom('ada')).videoFrames];
              const at = Date.now() + 40;
              const collisions = await Promise.all(
                [ada, bob].map(({ page }) =>
                  page.evaluate(
                    (when) =>
                      new Promise<void>((resolve) =>
                        setTimeout(() => {
                          flotilla.room.directCall!.restartIce();
                          resolve();
                        }, when - Date.now()),
                      ),
                    at,
                  ),
                ),
              ).then(async () => {
                await settled(ada, bob);
                return (await Promise.all([ada, bob].map(stateOf))).reduce(
                  (sum, each) => sum + (each.collisions ?? 0),
                  0,
                );
              });
              if (collisions > before) met++;
              before = collisions;
              await waitFor(`frames in round ${round}`, async () => {
                const now = [(await ada.receivedFrom('bob')).videoFrames, (await bob.receivedFrom('ada')).videoFrames];
                if (now.some((count, index) => count <= frames[index]!))
                  notYet(`${String(frames)}, then ${String(now)}`);
              });
            }
            report(`in ${met} of 50 rounds the two offers met`);
            expect(met).toBeGreaterThan(25);

            // Lost messages: the connection is replaced, first by one side and then by both at once.
            for (const those of [[ada], [bob], [ada, bob]]) {
              await Promise.all(
                those.map(({ page }) => page.evaluate(() => flotilla.room.directCall!.resumed({ isComplete: false }))),
              );
              await settled(ada, bob);
              await Promise.all([pictureMoves(ada, 'bob'), pictureMoves(bob, 'ada')]);
            }

            proxy.cut();
            await bob.reconnecting();
            await ada.press('camera');
            proxy.restore();
            await bob.joined();
            await ada.press('camera');
            await meets(ada, bob);
            await settled(ada, bob);

            await ada.page.reload();
            await ada.joined();
            await bob.hasTilesOf(['ada']);
            await meets(ada, bob);
            report(`after a reload the room is in mode ${(await stateOf(bob)).mode}`);
          } finally {
            await proxy.close();
          }
        },
        topology,
        browserOf,
      ),
  },
  {
    title: 'when a third participant joins all three receive each other, and the first two keep their media and tiles',
    run: (topology, browserOf, report) =>
      withPages(
        async (join) => {
          const room = await newPeerRoom(topology);
          const ada = await join({ room, name: 'ada' });
          const bob = await join({ room, name: 'bob' });
          await meets(ada, bob);
          const before = await Promise.all(
            [ada, bob].map(async (call) => [await call.room(), await publicationsIn(call)]),
          );
          await Promise.all([watch(ada), watch(bob)]);

          const cleo = await join({ room, name: 'cleo' });
          await meets(cleo, ada, bob);
          for (const [index, call] of [ada, bob].entries()) {
            await waitFor(
              `${call.name} moved`,
              async () => {
                const { mode, connected } = await stateOf(call);
                if (mode !== 'sfu' || connected)
                  notYet(`mode ${mode}${connected ? ', the connection to the other is open' : ''}`);
              },
              { timeoutMs: 20_000 },
            );
            const [{ me }, publications] = before[index] as [{ me: string }, string[]];
            const now = await call.room();
            expect(now).toMatchObject({ me, state: 'connected', nodeId: expect.any(String) as string });
            expect(await publicationsIn(call)).toEqual(expect.arrayContaining(publications));
          }
          await meets(ada, bob);
          for (const call of [ada, bob]) {
            const seen = await call.page.evaluate(() => watched);
            expect(seen.lost).toBe(0);
            report(
              `${call.name}: the longest gap between frames while the room moved to the SFU was ${Math.round(seen.longestGapMs)} ms (${seen.frames} frames)`,
            );
          }
          await Promise.all([ada.hasTilesOf(['bob', 'cleo']), bob.hasTilesOf(['ada', 'cleo'])]);
        },
        topology,
        browserOf,
      ),
  },
];
