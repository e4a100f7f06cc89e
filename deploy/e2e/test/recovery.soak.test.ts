import { CallPage, mediaWorkersOf, notYet, smallViewport, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { useBrowser, useFaultFleet } from './use-topology.ts';

const names = ['ada', 'bob', 'cleo'];

describe('an SFU node stops during a call of three', { timeout: 180_000 }, () => {
  let fleet: TestFleet;
  let browser: Browser;
  let pages: CallPage[];
  let room: string;
  let rooms = 0;

  useFaultFleet((it) => (fleet = it));
  useBrowser((it) => (browser = it));
  beforeEach(async () => {
    room = `recovery-${++rooms}`;
    await fleet.api.createRoom({ name: room, spread: true });
    pages = await Promise.all(
      names.map((name) => CallPage.join(browser, fleet.pageUrl, { room, name, viewport: smallViewport })),
    );
    for (const page of pages) for (const other of names) if (other !== page.name) await page.receivesMediaOf(other);
    for (const page of pages) await page.watchFrames();
  });
  afterEach(async () => {
    await Promise.all(pages.map((page) => page.close()));
  });

  const allTogether = async (): Promise<void> => {
    for (const page of pages) {
      await page.hasTilesOf(names.filter((name) => name !== page.name));
      for (const other of names) if (other !== page.name) await page.receivesMediaOf(other, 30_000);
    }
    for (const { problems } of pages) expect(problems).toEqual([]);
  };

  /** Waits until the participants are assigned to other nodes, and no node has capacity reserved for anybody else. */
  const assignmentsSettle = (stopped: string): Promise<void> =>
    waitFor('the assignments are those of the participants', async () => {
      const { body } = await fleet.api.request('GET', '/v1/topology');
      const { vertices } = body as {
        vertices: { kind: string; id: string; name?: string; assignments: Record<string, number>; reserved: number }[];
      };
      const assignments = vertices.find(({ kind, name }) => kind === 'room' && name === room)!.assignments;
      if (stopped in assignments) notYet(`${stopped} has assignments: ${JSON.stringify(assignments)}`);
      if (Object.values(assignments).reduce((sum, count) => sum + count, 0) !== names.length)
        notYet(`assignments: ${JSON.stringify(assignments)}`);
      for (const { id, reserved } of vertices.filter(({ kind }) => kind === 'node'))
        if (reserved !== (assignments[id] ?? 0))
          notYet(`${id} has ${reserved} reserved, assignments: ${JSON.stringify(assignments)}`);
    });

  test('at SIGTERM its participants are migrated, it exits with 0 when it is empty, and the call continues', async () => {
    const stopped = (await pages[0]!.room()).nodeId!;
    for (const page of pages) await page.watchMoves();
    for (const page of pages) await page.takeFrameGaps();
    const began = performance.now();
    expect(await fleet.processes.get(stopped)!.stop('SIGTERM', 70_000)).toBe(0);
    const took = Math.round(performance.now() - began);
    const gaps = (await Promise.all(pages.map((page) => page.takeFrameGaps()))).flat().map(({ longest }) => longest);
    const lines = fleet.processes.get(stopped)!.lines.filter((line) => /drain/.test(line));
    console.log(`drained in ${took} ms; longest gap between frames ${Math.round(Math.max(...gaps))} ms`);
    const moves = (await Promise.all(pages.map((page) => page.moves()))).flat();
    expect(lines.join('\n'), `moves: ${JSON.stringify(moves)}`).toMatch(/"node drained"/);
    await allTogether();
    await assignmentsSettle(stopped);
    expect(moves.filter(({ ms }) => ms !== undefined).length).toBeGreaterThan(0);
  });

  test('when it is killed while its participants are migrated, they find each other on other nodes', async () => {
    const killed = (await pages[0]!.room()).nodeId!;
    const { id } = await pages[0]!.room();
    const node = fleet.processes.get(killed)!;
    for (const page of pages) await page.takeFrameGaps();
    node.signal('SIGTERM');
    await waitFor('a migration has begun', async () => {
      const { body } = await fleet.api.request('GET', '/v1/topology');
      const { vertices } = body as { vertices: { kind: string; roomId?: string; end?: string }[] };
      const migrations = vertices.filter((each) => each.kind === 'migration' && each.roomId === id);
      if (!migrations.some(({ end }) => end === undefined)) notYet(`migrations: ${JSON.stringify(migrations)}`);
    });
    const pids = [...mediaWorkersOf(node.process.pid!), node.process.pid!];
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await allTogether();
    await assignmentsSettle(killed);
    const gaps = (await Promise.all(pages.map((page) => page.takeFrameGaps()))).flat().map(({ longest }) => longest);
    console.log(`killed during migrations: longest gap between frames ${Math.round(Math.max(...gaps))} ms`);
    await fleet.startAgain(killed);
  });

  test('when it is killed its participants are reassigned to other nodes and keep their ids', async () => {
    const killed = (await pages[0]!.room()).nodeId!;
    const before = await Promise.all(pages.map((page) => page.room()));
    for (const page of pages) await page.takeFrameGaps();
    // As when the machine fails: the node and its media workers at once.
    const node = fleet.processes.get(killed)!.process.pid!;
    const killedAt = performance.now();
    for (const pid of [...mediaWorkersOf(node), node]) process.kill(pid, 'SIGKILL');
    await waitFor(
      'no participant is on the killed node',
      async () => {
        for (const page of pages) {
          const { nodeId } = await page.room();
          if (nodeId === killed) notYet(`${page.name} is on ${nodeId}`);
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
    await assignmentsSettle(killed);
  });
});
