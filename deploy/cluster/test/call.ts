import { CallPage, launchBrowser, notYet, RestApi, waitFor } from '@flotilla/testkit';
import { pageUrl } from '@flotilla/cluster';
import type { Browser } from 'playwright-core';
import { expect } from 'vitest';
import type { Figures, Seen } from './figures.ts';

/** Small pictures: the browsers share two cores with three nodes. */
const camera = { width: 320, height: 180 };

/** Call pages in Chromium, in one room. They run outside the cluster and connect by a load balancer over its nodes. */
export class Call {
  private constructor(
    readonly room: string,
    readonly pages: readonly CallPage[],
    private readonly browser: Browser,
  ) {}

  /** Opens the call page for each of the names. */
  static async start(room: string, names: readonly string[] = ['Ada', 'Bob']): Promise<Call> {
    const browser = await launchBrowser();
    const pages: CallPage[] = [];
    const call = new Call(room, pages, browser);
    try {
      for (const name of names) pages.push(await CallPage.join(browser, pageUrl, { room, name, camera }));
      await call.allReceiveAll();
      for (const page of pages) {
        await page.watchFrames();
        await page.watchMoves();
        await page.watchState();
      }
      await call.take();
      return call;
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  /** Waits until every participant receives audio and video of every other, now. */
  async allReceiveAll(timeoutMs = 60_000): Promise<void> {
    for (const page of this.pages) {
      const others = this.pages.filter((other) => other !== page).map(({ name }) => name);
      await page.hasTilesOf(others, timeoutMs);
      for (const other of others) await page.receivesMediaOf(other, timeoutMs);
    }
  }

  /**
   * Runs an event during the call, adds what the call saw to the figures, and checks that it continues: everybody receives
   * everybody, no page has an error and none left the room meanwhile.
   */
  async during(figures: Figures, event: string, work: () => Promise<unknown>): Promise<Seen[]> {
    const began = performance.now();
    await work();
    const tookMs = performance.now() - began;
    await this.allReceiveAll();
    const seen = await this.take();
    figures.add(event, tookMs, seen);
    expect(this.pages.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`))).toEqual([]);
    for (const { states } of seen) expect(states).not.toContain('closed');
    return seen;
  }

  /** The SFU nodes of the participants. */
  async nodes(): Promise<Set<string>> {
    const rooms = await Promise.all(this.pages.map((page) => page.room()));
    return new Set(rooms.map(({ nodeId }) => nodeId!));
  }

  /** The SFU node of the first participant. */
  async node(): Promise<string> {
    return (await this.pages[0]!.room()).nodeId!;
  }

  async hasLeft(node: string, timeoutMs = 90_000): Promise<void> {
    await waitFor(
      `no participant is on ${node}`,
      async () => {
        const nodes = await this.nodes();
        if (nodes.has(node)) notYet(`the nodes are ${[...nodes].join(', ')}`);
      },
      { timeoutMs, everyMs: 200 },
    );
  }

  /** Migrates the first participant to another SFU node. */
  async migrate(api: RestApi): Promise<void> {
    const { id, me, nodeId } = await this.pages[0]!.room();
    // A registry that has lost a broker answers UNAVAILABLE until it is connected again.
    await waitFor(
      'the migration is accepted',
      async () => {
        const { status, body } = await api.request('POST', `/v1/rooms/${id}/participants/${me}/migrate`, {});
        if (status === 503) notYet(JSON.stringify(body));
        expect(status, JSON.stringify(body)).toBe(202);
      },
      { timeoutMs: 30_000, everyMs: 500 },
    );
    await waitFor(
      'the participant is on another SFU node',
      async () => {
        if ((await this.node()) === nodeId) notYet(`it is on ${nodeId}`);
      },
      { timeoutMs: 30_000 },
    );
  }

  /** Returns the measurements since its last call. */
  async take(): Promise<Seen[]> {
    return Promise.all(
      this.pages.map(async (page) => {
        const gaps = await page.takeFrameGaps();
        const moves = await page.moves();
        const states = await page.statesSeen();
        await page.page.evaluate(() => {
          globalThis.moves.length = 0;
          globalThis.statesSeen.length = 0;
        });
        return {
          name: page.name,
          longestGapMs: Math.round(Math.max(0, ...gaps.map(({ longest }) => longest))),
          moves,
          states,
        };
      }),
    );
  }

  async end(): Promise<void> {
    await this.browser.close();
  }
}
