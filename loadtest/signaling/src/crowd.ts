import type { TokenIssuer } from '@flotilla/auth';
import { notYet, waitFor } from '@flotilla/testkit';
import { codeOf, Member, type Scene, trusting } from './member.ts';
import type { CrowdSettings, Play, Side, Verification } from './protocol.ts';
import { RoomJournal } from './receipts.ts';
import { Tally } from './tally.ts';

/** A session that does not get in tries this often, after a pause that doubles each time. */
const entryAttempts = 8;
const firstPauseMs = 100;
/** Behind by more than this many messages or cuts, the rest is let go: a load that piles up measures itself. */
const maxBehind = 200;
/** How often what is due is done, in milliseconds. */
const stepMs = 4;

/** The sessions of this process on one side. */
export class Crowd {
  readonly tally = new Tally();
  readonly #members: Member[] = [];
  readonly #journals: RoomJournal[] = [];

  constructor(side: Side, settings: CrowdSettings, issuer: TokenIssuer | undefined) {
    const { index, processes, sessions, roomNames, urls, ca } = settings;
    const scene: Scene = { url: urls[side], tls: trusting(ca), tally: this.tally, issuer };
    for (let room = index; room < roomNames.length; room += processes) {
      const journal = new RoomJournal();
      this.#journals.push(journal);
      for (let session = room; session < sessions; session += roomNames.length)
        this.#members.push(new Member(scene, `bench-${session}`, roomNames[room]!, journal));
    }
  }

  get held(): number {
    return this.#members.reduce((held, { state }) => held + Number(state === 'in'), 0);
  }

  async enter(atOnce: number): Promise<void> {
    await inParallel(this.#members, atOnce, async (member) => {
      for (let attempt = 1; attempt <= entryAttempts; attempt++) {
        try {
          return await member.enter();
        } catch (error) {
          member.state = 'out';
          this.tally.count(`join: ${codeOf(error)}`);
          await new Promise((resolve) => setTimeout(resolve, firstPauseMs * 2 ** attempt * Math.random()));
        }
      }
    });
  }

  /** Messages from random members and cuts of random sessions, evenly over the time. */
  async play({ seconds, rate, reconnects }: Play): Promise<void> {
    const began = performance.now();
    const talk = new Pace(rate, began);
    const cuts = new Pace(reconnects * this.#members.length, began);
    for (;;) {
      const now = performance.now();
      if (now - began >= seconds * 1000) break;
      for (let due = talk.due(now, this.tally); due > 0; due--) this.#somebody()?.say();
      for (let due = cuts.due(now, this.tally); due > 0; due--) this.#cut(this.#somebody());
      await new Promise((resolve) => setTimeout(resolve, stepMs));
    }
  }

  #somebody(): Member | undefined {
    for (let attempt = 0; attempt < 20; attempt++) {
      const member = this.#members[Math.floor(Math.random() * this.#members.length)];
      if (member?.state === 'in') return member;
    }
    return undefined;
  }

  #cut(member: Member | undefined): void {
    member?.cutAndReturn().catch((error: unknown) => {
      member.state = 'out';
      this.tally.count(`gone: ${codeOf(error)}`);
    });
  }

  async verify(): Promise<Verification> {
    await waitFor(
      'everything sent is answered',
      () => {
        const open = this.#members.filter(({ underWay, state }) => underWay > 0 || state === 'moving').length;
        if (open > 0) notYet(`${open} sessions have requests under way`);
      },
      { timeoutMs: 20_000 },
    );
    let [lost, duplicates, outOfOrder, unchecked] = [0, 0, 0, 0];
    const count = (): void => {
      [lost, duplicates, outOfOrder, unchecked] = [0, 0, 0, 0];
      for (const member of this.#members) {
        duplicates += member.receipts.duplicates;
        outOfOrder += member.outOfOrder;
        if (member.unchecked || member.state !== 'in') unchecked++;
        else lost += member.receipts.lost(member.journal);
      }
    };
    // An answer may overtake the message on its way to others.
    await waitFor(
      'everything acknowledged has arrived',
      () => {
        count();
        if (lost > 0) notYet(`${lost} are missing`);
      },
      { timeoutMs: 5000, everyMs: 250 },
    ).catch(() => undefined);
    const sent = this.#journals.reduce((sum, journal) => sum + journal.sent, 0);
    const acknowledged = this.#journals.reduce((sum, journal) => sum + journal.acknowledged, 0);
    return {
      members: this.#members.length,
      held: this.held,
      unchecked,
      acknowledged,
      unanswered: sent - acknowledged,
      lost,
      duplicates,
      outOfOrder,
    };
  }

  async leave(atOnce: number): Promise<void> {
    await inParallel(this.#members, atOnce, (member) => member.leave());
  }
}

/** Spreads a rate evenly over time. */
class Pace {
  #done = 0;

  constructor(
    private readonly perSecond: number,
    private readonly began: number,
  ) {}

  due(now: number, tally: Tally): number {
    const due = Math.floor(((now - this.began) / 1000) * this.perSecond) - this.#done;
    this.#done += due;
    if (due > maxBehind) tally.count('let go, this process was behind', due - maxBehind);
    return Math.min(due, maxBehind);
  }
}

async function inParallel<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of left) await work(item);
    }),
  );
}
