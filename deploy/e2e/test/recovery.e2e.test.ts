import type { Fleet } from '@flotilla/local-fleet';
import { CallPage, launchBrowser, mediaWorkersOf, notYet, RestApi, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ownFleet } from './own-fleet.ts';

const names = ['ada', 'bob', 'cleo'];

describe('an SFU node goes away while people talk', () => {
  let fleet: Fleet;
  let browser: Browser;
  let api: RestApi;
  let pages: CallPage[];

  beforeEach(async () => {
    [fleet, browser] = await Promise.all([
      ownFleet('rec', {
        sfuNodes: 3,
        gateways: 1,
        env: { FLOTILLA_DRAIN_SECONDS: '20' },
      }),
      launchBrowser(),
    ]);
    api = new RestApi(fleet.registryUrl, fleet.apiKey);
    await api.createRoom({ name: 'call', spread: true });
    pages = await Promise.all(names.map((name) => CallPage.join(browser, fleet.pageUrl, { room: 'call', name })));
    for (const page of pages) for (const other of names) if (other !== page.name) await page.hearsAndSees(other);
    for (const page of pages) await page.watchFrames();
  });
  afterEach(async () => {
    await browser?.close();
    await fleet?.stop();
  });

  const allTogether = async (): Promise<void> => {
    for (const page of pages) {
      await page.seesExactly(names.filter((name) => name !== page.name));
      for (const other of names) if (other !== page.name) await page.hearsAndSees(other, 30_000);
    }
    for (const { problems } of pages) expect(problems).toEqual([]);
  };

  /** Each peer has one place, and there is no place that nobody has. */
  const placesAreRight = (gone: string): Promise<void> =>
    waitFor('places are those of the people', async () => {
      const { body } = await api.request('GET', '/v1/topology');
      const { vertices } = body as {
        vertices: { kind: string; id: string; assignments: Record<string, number>; reserved: number }[];
      };
      const room = vertices.find(({ kind }) => kind === 'room');
      const nodes = vertices.filter(({ kind }) => kind === 'node');
      const assignments = Object.entries(room!.assignments);
      if (assignments.some(([id]) => id === gone)) notYet(`somebody is homed on ${gone}`);
      if (assignments.reduce((sum, [, count]) => sum + count, 0) !== 3)
        notYet(`assignments: ${JSON.stringify(assignments)}`);
      for (const { id, reserved } of nodes)
        if (reserved !== (room!.assignments[id] ?? 0))
          notYet(`${id} has ${reserved} places, assignments: ${JSON.stringify(assignments)}`);
    });

  test('told to stop, it sends its people to others and ends when it is empty; nobody loses the call', async () => {
    const gone = (await pages[0]!.room()).nodeId!;
    for (const page of pages) await page.watchMoves();
    for (const page of pages) await page.takeFrameGaps();
    const began = performance.now();
    expect(await fleet.processes.get(gone)!.stop('SIGTERM', 25_000)).toBe(0);
    const took = Math.round(performance.now() - began);
    const gaps = (await Promise.all(pages.map((page) => page.takeFrameGaps()))).flat().map(({ longest }) => longest);
    const lines = fleet.processes.get(gone)!.lines.filter((line) => /drain/.test(line));
    console.log(`drained in ${took} ms; longest gap between frames ${Math.round(Math.max(...gaps))} ms`);
    expect(lines.join('\n')).toMatch(/"drained"|drained/);
    await allTogether();
    await placesAreRight(gone);
    const moves = (await Promise.all(pages.map((page) => page.moves()))).flat();
    expect(moves.length).toBeGreaterThan(0);
    for (const move of moves) expect(move).toEqual({ ms: expect.any(Number) as number });
  });

  test('killed, its people are back on others, as who they were', async () => {
    const gone = (await pages[0]!.room()).nodeId!;
    const before = await Promise.all(pages.map((page) => page.room()));
    for (const page of pages) await page.takeFrameGaps();
    // As when the machine goes: the node and its media workers at once.
    const node = fleet.processes.get(gone)!.process.pid!;
    const killedAt = performance.now();
    for (const pid of [...mediaWorkersOf(node), node]) process.kill(pid, 'SIGKILL');
    await waitFor(
      'nobody is on the dead node',
      async () => {
        for (const page of pages) {
          const { nodeId } = await page.room();
          if (nodeId === gone) notYet(`${page.name} is on ${nodeId}`);
        }
      },
      { timeoutMs: 30_000 },
    );
    const movedMs = Math.round(performance.now() - killedAt);
    await allTogether();
    const gaps = (await Promise.all(pages.map((page) => page.takeFrameGaps()))).flat().map(({ longest }) => longest);
    console.log(
      `killed: on other nodes after ${movedMs} ms; longest gap between frames ${Math.round(Math.max(...gaps))} ms`,
    );
    for (const [index, page] of pages.entries()) {
      const { id, me } = await page.room();
      expect({ id, me }).toEqual({ id: before[index]!.id, me: before[index]!.me });
    }
    await placesAreRight(gone);
  });
});
