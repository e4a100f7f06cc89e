import { CallPage } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { type Participant, type Reception, silentMs } from './participant.ts';

/** The call page in Chromium: gaps are those between rendered frames, and lost gateways are survived. */
export class BrowserParticipant implements Participant {
  readonly resumes = true;
  readonly #lastFrames = new Map<string, number>();
  #moves = 0;
  #states = 0;
  #problems = 0;

  private constructor(
    private readonly page: CallPage,
    private readonly others: readonly string[],
  ) {}

  static async join(
    browser: Browser,
    pageUrl: string,
    options: { room: string; name: string; others: readonly string[] },
  ): Promise<BrowserParticipant> {
    const { room, name, others } = options;
    const page = await CallPage.join(browser, pageUrl, { room, name, camera: { width: 320, height: 180 } });
    await page.watchFrames();
    await page.watchMoves();
    await page.watchState();
    return new BrowserParticipant(page, others);
  }

  get name(): string {
    return this.page.name;
  }

  async nodeId(): Promise<string | undefined> {
    return (await this.page.room()).nodeId;
  }

  async take(): Promise<Reception> {
    const gaps = await this.page.takeFrameGaps();
    const now = performance.now();
    const current = this.others.map((other) => {
      const gap = gaps.find(({ of }) => of === other);
      if (gap || !this.#lastFrames.has(other)) this.#lastFrames.set(other, now);
      return Math.max(gap?.longest ?? 0, now - this.#lastFrames.get(other)!);
    });
    const stalled = this.others.some((other) => now - this.#lastFrames.get(other)! > silentMs);
    return { gapMs: Math.max(0, ...current), silent: stalled };
  }

  async takeEvents() {
    const [moves, states] = [await this.page.moves(), await this.page.statesSeen()];
    const { problems } = this.page;
    const news = [
      ...moves
        .slice(this.#moves)
        .map(({ ms, error }) =>
          error === undefined ? `migrated in ${Math.round(ms ?? 0)} ms` : `a migration was rolled back: ${error}`,
        ),
      ...states.slice(this.#states).map((state) => `its room is ${String(state)}`),
    ];
    const failed = [
      ...problems.slice(this.#problems),
      ...states
        .slice(this.#states)
        .filter((state) => state === 'closed')
        .map(() => 'its room was closed'),
    ];
    [this.#moves, this.#states, this.#problems] = [moves.length, states.length, problems.length];
    return [...news.map((what) => ({ what, isProblem: false })), ...failed.map((what) => ({ what, isProblem: true }))];
  }

  close(): Promise<void> {
    return this.page.close();
  }
}
