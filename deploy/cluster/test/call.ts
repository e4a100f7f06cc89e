import { CallPage, launchBrowser, notYet, waitFor } from '@flotilla/testkit';
import { pageUrl } from '@flotilla/cluster';
import type { Browser } from 'playwright-core';

/** Measurements of one page since the last call of `take`. */
export interface Seen {
  readonly name: string;
  /** The longest gap between two rendered frames of another participant, in milliseconds. */
  readonly longestGapMs: number;
  readonly frames: number;
  readonly moves: readonly { readonly ms?: number; readonly error?: string }[];
  readonly states: readonly unknown[];
}

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
  static async start(room: string, names: readonly string[]): Promise<Call> {
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
      return call;
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  async allReceiveAll(timeoutMs = 30_000): Promise<void> {
    for (const page of this.pages) {
      const others = this.pages.filter((other) => other !== page).map(({ name }) => name);
      await page.hasTilesOf(others, timeoutMs);
      for (const other of others) await page.receivesMediaOf(other, timeoutMs);
    }
  }

  /** The SFU nodes of the participants. */
  async nodes(): Promise<Set<string>> {
    const rooms = await Promise.all(this.pages.map((page) => page.room()));
    return new Set(rooms.map(({ nodeId }) => nodeId!));
  }

  async waitForNodes(check: (nodes: ReadonlySet<string>) => boolean, what: string, timeoutMs: number): Promise<void> {
    await waitFor(
      what,
      async () => {
        const nodes = await this.nodes();
        if (!check(nodes)) notYet(`the nodes are ${[...nodes].join(', ')}`);
      },
      { timeoutMs, everyMs: 200 },
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
          frames: gaps.reduce((sum, { frames }) => sum + frames, 0),
          moves,
          states,
        };
      }),
    );
  }

  get problems(): string[] {
    return this.pages.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`));
  }

  async end(): Promise<void> {
    await this.browser.close();
  }
}

/** One line about what a call saw during an event. */
export function describeSeen(event: string, tookMs: number, seen: readonly Seen[]): string {
  const gaps = seen.map(({ longestGapMs }) => longestGapMs).join(' / ');
  const moves = seen.map((each) => each.moves.length).join(' / ');
  return `${event}: ${(tookMs / 1000).toFixed(1)} s; longest frame gap ${gaps} ms; moves ${moves}`;
}
