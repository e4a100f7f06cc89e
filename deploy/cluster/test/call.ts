import { CallPage, launchBrowser, notYet, waitFor } from '@flotilla/testkit';
import { pageUrl } from '@flotilla/cluster';
import type { Browser } from 'playwright-core';

/** What a person saw of the others since the last time they were asked. */
export interface Seen {
  readonly name: string;
  /** The longest time between two rendered frames of somebody else, in milliseconds. */
  readonly longestGapMs: number;
  readonly frames: number;
  readonly moves: readonly { readonly ms?: number; readonly error?: string }[];
  readonly states: readonly unknown[];
}

/** Small pictures: the browsers share two cores with three nodes. */
const camera = { width: 320, height: 180 };

/** People in Chromium, in one room. They are outside the cluster and enter by a load balancer over the nodes. */
export class Call {
  private constructor(
    readonly room: string,
    readonly people: readonly CallPage[],
    private readonly browser: Browser,
  ) {}

  /** Opens the call page for each of the names. */
  static async start(room: string, names: readonly string[]): Promise<Call> {
    const browser = await launchBrowser();
    const people: CallPage[] = [];
    const call = new Call(room, people, browser);
    try {
      for (const name of names) people.push(await CallPage.join(browser, pageUrl, { room, name, camera }));
      await call.everybodySeesEverybody();
      for (const page of people) {
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

  async everybodySeesEverybody(timeoutMs = 30_000): Promise<void> {
    for (const page of this.people) {
      const others = this.people.filter((other) => other !== page).map(({ name }) => name);
      await page.hasTilesOf(others, timeoutMs);
      for (const other of others) await page.receivesMediaOf(other, timeoutMs);
    }
  }

  /** The SFU nodes that the people are on. */
  async nodes(): Promise<Set<string>> {
    const rooms = await Promise.all(this.people.map((page) => page.room()));
    return new Set(rooms.map(({ nodeId }) => nodeId!));
  }

  async seesNodes(check: (nodes: ReadonlySet<string>) => boolean, what: string, timeoutMs: number): Promise<void> {
    await waitFor(
      what,
      async () => {
        const nodes = await this.nodes();
        if (!check(nodes)) notYet(`people are on ${[...nodes].join(', ')}`);
      },
      { timeoutMs, everyMs: 200 },
    );
  }

  /** What was seen since this was last called. */
  async take(): Promise<Seen[]> {
    return Promise.all(
      this.people.map(async (page) => {
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
    return this.people.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`));
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
