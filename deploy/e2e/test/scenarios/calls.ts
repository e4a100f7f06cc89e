import { expect } from 'vitest';
import {
  CallPage,
  type CallPageOptions,
  mediaWorkersOf,
  notYet,
  type Tab,
  type TabBrowser,
  TcpProxy,
  type Topology,
  uniqueName,
  waitFor,
} from '@flotilla/testkit';

/** The call page in any browser. */
export type Call = CallPage<Tab>;

/** The browser of a participant, by name. */
export type BrowserOf = (name: string) => TabBrowser;

/** Scenarios of calls in browsers, for every topology. Each creates its own rooms. */
export interface CallScenario {
  readonly title: string;
  /** Depends on the browsers: runs again with participants in different ones. */
  readonly mixed?: true;
  readonly run: (topology: Topology, browserOf: BrowserOf, report: (line: string) => void) => Promise<void>;
}

/** Runs `work` with pages, which are closed at the end. */
export async function withPages(
  work: (join: (options: CallPageOptions) => Promise<Call>) => Promise<void>,
  topology: Topology,
  browserOf: BrowserOf,
): Promise<void> {
  const pages: Call[] = [];
  try {
    await work(async (options) => {
      const page = await CallPage.join(browserOf(options.name), topology.pageUrl, options);
      pages.push(page);
      return page;
    });
    for (const { name, problems } of pages) expect(problems, `errors in ${name}'s page`).toEqual([]);
  } finally {
    await Promise.all(pages.map((page) => page.close()));
  }
}

/** Waits until a new participant and each of the others receive each other's media. */
export async function meets(newcomer: Call, ...others: Call[]): Promise<void> {
  await Promise.all(
    others.flatMap((other) => [newcomer.receivesMediaOf(other.name), other.receivesMediaOf(newcomer.name)]),
  );
}

export const callScenarios: readonly CallScenario[] = [
  {
    title:
      'participants receive each other for 5 s, a third joins, one leaves and its tile disappears, one reloads and rejoins',
    mixed: true,
    run: (topology, browserOf, report) =>
      withPages(
        async (join) => {
          const room = uniqueName('call');
          const ada = await join({ room, name: 'ada' });
          const bob = await join({ room, name: 'bob' });
          await meets(ada, bob);
          for (let second = 1; second <= 5; second++) {
            const frames = await Promise.all([ada.framesDuring('bob', 1000), bob.framesDuring('ada', 1000)]);
            expect(Math.min(...frames), `frames in second ${second}`).toBeGreaterThan(0);
          }

          const cleo = await join({ room, name: 'cleo' });
          await meets(cleo, ada, bob);

          const left = performance.now();
          await bob.press('leave');
          await Promise.all([ada.hasTilesOf(['cleo']), cleo.hasTilesOf(['ada'])]);
          report(`a tile was removed ${Math.round(performance.now() - left)} ms after its participant left`);

          await cleo.page.reload();
          await cleo.joined();
          await Promise.all([ada.hasTilesOf(['cleo']), cleo.hasTilesOf(['ada'])]);
          await meets(cleo, ada);
        },
        topology,
        browserOf,
      ),
  },
  {
    title: 'a participant without a socket for 3 s keeps its session and media and gets all events',
    mixed: true,
    run: (topology, browserOf, report) =>
      withPages(
        async (join) => {
          const room = uniqueName('call');
          const proxy = await TcpProxy.to(Number(new URL(topology.signalUrls[0]!).port));
          try {
            const ada = await join({ room, name: 'ada' });
            const bob = await join({ room, name: 'bob', signalUrl: `http://127.0.0.1:${proxy.port}` });
            await meets(ada, bob);
            const before = await bob.room();
            await bob.collectMessages();

            await ada.send({ number: 0 });
            await waitFor('the first message', async () =>
              (await bob.messages()).length === 1 ? undefined : notYet('it is not there'),
            );
            proxy.cut();
            await bob.reconnecting();
            await ada.showsConnection('bob', 'Reconnecting…');
            const frames = bob.framesDuring('ada', 3000);
            for (let number = 1; number <= 20; number++) await ada.send({ number });
            await ada.press('mic');
            report(`${await frames} frames were rendered in the 3 s without a socket`);
            proxy.restore();

            await bob.joined();
            await waitFor('all messages', async () => {
              const messages = await bob.messages();
              if (messages.length < 21) notYet(`there are ${messages.length}`);
            });
            expect(await bob.messages()).toEqual(Array.from({ length: 21 }, (_, number) => ({ number })));
            expect(await bob.room()).toEqual({ ...before, state: 'connected' });
            await bob.showsMuted('ada');
            await ada.showsConnection('bob', '');
            await ada.hasTilesOf(['bob']);
            await ada.receivesMediaOf('bob');
          } finally {
            await proxy.close();
          }
        },
        topology,
        browserOf,
      ),
  },
  {
    title: 'two rooms do not receive media of each other',
    run: (topology, browserOf) =>
      withPages(
        async (join) => {
          const [here, there] = [uniqueName('call'), uniqueName('call')];
          const ada = await join({ room: here, name: 'ada' });
          const bob = await join({ room: there, name: 'bob' });
          await bob.collectMessages();
          await ada.send('for my room only');
          const cleo = await join({ room: here, name: 'cleo' });
          await meets(cleo, ada);
          await bob.hasTilesOf([]);
          expect(await bob.messages()).toEqual([]);
        },
        topology,
        browserOf,
      ),
  },
  {
    title: 'participants on two SFU nodes receive each other through pipes, and mutes apply',
    mixed: true,
    run: (topology, browserOf) =>
      withPages(
        async (join) => {
          const room = uniqueName('call');
          await topology.api.createRoom({ name: room, spread: true });
          const ada = await join({ room, name: 'ada' });
          const bob = await join({ room, name: 'bob' });
          const [adas, bobs] = [await ada.room(), await bob.room()];
          expect(adas.nodeId).not.toBe(bobs.nodeId);
          await meets(ada, bob);

          await ada.press('mic');
          await bob.showsMuted('ada');
          await ada.press('mic');
          await bob.receivesMediaOf('ada');

          await ada.press('camera');
          await waitFor('the picture stops', async () =>
            (await bob.framesDuring('ada', 500)) === 0 ? undefined : notYet('frames come'),
          );
          await ada.press('camera');
          await bob.receivesMediaOf('ada');

          const cleo = await join({ room, name: 'cleo' });
          await Promise.all([cleo.receivesMediaOf('ada'), cleo.receivesMediaOf('bob')]);
        },
        topology,
        browserOf,
      ),
  },
  {
    title:
      'after all mediasoup workers of a node are killed its participants get media again with the same ids, in the same process',
    mixed: true,
    run: (topology, browserOf, report) =>
      withPages(
        async (join) => {
          const room = uniqueName('call');
          const ada = await join({ room, name: 'ada' });
          const bob = await join({ room, name: 'bob' });
          await meets(ada, bob);
          const before = [await ada.room(), await bob.room()];
          const node = topology.processOfNode(before[0]!.nodeId!);
          const workers = mediaWorkersOf(node);
          expect(workers.length).toBeGreaterThan(0);

          const killed = performance.now();
          for (const pid of workers) process.kill(pid, 'SIGKILL');
          await waitFor('new workers', () => {
            const now = mediaWorkersOf(node);
            if (now.length < workers.length || now.some((pid) => workers.includes(pid)))
              notYet(`workers: ${now.join(', ')}`);
          });
          await Promise.all([ada.receivesMediaOf('bob', 40_000), bob.receivesMediaOf('ada', 40_000)]);
          report(
            `both saw each other again ${Math.round(performance.now() - killed)} ms after the workers were killed`,
          );
          for (const [index, page] of [ada, bob].entries()) {
            const { id, me } = await page.room();
            expect({ id, me }).toEqual({ id: before[index]!.id, me: before[index]!.me });
          }
          await Promise.all([ada.hasTilesOf(['bob']), bob.hasTilesOf(['ada'])]);
          // Signal 0 checks whether the process exists.
          expect(process.kill(node, 0)).toBe(true);
        },
        topology,
        browserOf,
      ),
  },
];
