import type { TokenIssuer } from '@flotilla/auth';
import { notYet, waitFor } from '@flotilla/testkit';
import { codeOf, LoadSession, type PoolContext, trusting } from './load-session.ts';
import type { PoolSettings, LoadPhase, Side, Verification } from './protocol.ts';
import { RoomJournal } from './receipts.ts';
import { Tally } from './tally.ts';

/** Attempts of a session to join, with exponential backoff. */
const joinAttempts = 8;
const firstPauseMs = 100;
/** Maximum number of overdue messages or cuts; the rest is dropped, so that a slow client process does not cause bursts. */
const maxBehind = 200;
/** Interval at which due messages and cuts are done. */
const stepMs = 4;

/** The sessions of one client process on one side. */
export class SessionPool {
  readonly tally = new Tally();
  readonly #sessions: LoadSession[] = [];
  readonly #journals: RoomJournal[] = [];

  constructor(side: Side, settings: PoolSettings, issuer: TokenIssuer | undefined) {
    const { index, processes, sessions, roomNames, urls, ca } = settings;
    const context: PoolContext = { url: urls[side], tls: trusting(ca), tally: this.tally, issuer };
    for (let room = index; room < roomNames.length; room += processes) {
      const journal = new RoomJournal();
      this.#journals.push(journal);
      for (let user = room; user < sessions; user += roomNames.length)
        this.#sessions.push(new LoadSession(context, `bench-${user}`, roomNames[room]!, journal));
    }
  }

  get joined(): number {
    return this.#sessions.reduce((joined, { state }) => joined + Number(state === 'in'), 0);
  }

  /** Connects all sessions and joins their rooms. */
  async enter(concurrency: number): Promise<void> {
    await inParallel(this.#sessions, concurrency, async (session) => {
      for (let attempt = 1; attempt <= joinAttempts; attempt++) {
        try {
          return await session.enter();
        } catch (error) {
          session.state = 'out';
          this.tally.count(`join failed: ${codeOf(error)}`);
          await new Promise((resolve) => setTimeout(resolve, firstPauseMs * 2 ** attempt * Math.random()));
        }
      }
    });
  }

  /** Sends messages from random sessions and cuts random sessions, at constant rates. */
  async play({ seconds, rate, reconnects }: LoadPhase): Promise<void> {
    const began = performance.now();
    const talk = new Pace(rate, began);
    const cuts = new Pace(reconnects * this.#sessions.length, began);
    for (;;) {
      const now = performance.now();
      if (now - began >= seconds * 1000) break;
      for (let due = talk.due(now, this.tally); due > 0; due--) this.#randomSession()?.sendMessage();
      for (let due = cuts.due(now, this.tally); due > 0; due--) this.#cut(this.#randomSession());
      await new Promise((resolve) => setTimeout(resolve, stepMs));
    }
  }

  #randomSession(): LoadSession | undefined {
    for (let attempt = 0; attempt < 20; attempt++) {
      const session = this.#sessions[Math.floor(Math.random() * this.#sessions.length)];
      if (session?.state === 'in') return session;
    }
    return undefined;
  }

  #cut(session: LoadSession | undefined): void {
    session?.cutAndResume().catch((error: unknown) => {
      session.state = 'out';
      this.tally.count(`resume failed: ${codeOf(error)}`);
    });
  }

  async verify(): Promise<Verification> {
    await waitFor(
      'answers to all requests',
      () => {
        const open = this.#sessions.filter(
          ({ pendingRequests, state }) => pendingRequests > 0 || state === 'connecting',
        ).length;
        if (open > 0) notYet(`${open} sessions have pending requests`);
      },
      { timeoutMs: 20_000 },
    );
    let [lost, duplicates, outOfOrder, unchecked] = [0, 0, 0, 0];
    const count = (): void => {
      [lost, duplicates, outOfOrder, unchecked] = [0, 0, 0, 0];
      for (const session of this.#sessions) {
        duplicates += session.receipts.duplicates;
        outOfOrder += session.outOfOrder;
        if (session.unchecked || session.state !== 'in') unchecked++;
        else lost += session.receipts.lost(session.journal);
      }
    };
    // An acknowledgement may overtake the delivery to others.
    await waitFor(
      'all acknowledged messages',
      () => {
        count();
        if (lost > 0) notYet(`${lost} are missing`);
      },
      { timeoutMs: 5000, everyMs: 250 },
    ).catch(() => undefined);
    const sent = this.#journals.reduce((sum, journal) => sum + journal.sent, 0);
    const acknowledged = this.#journals.reduce((sum, journal) => sum + journal.acknowledged, 0);
    return {
      members: this.#sessions.length,
      joined: this.joined,
      unchecked,
      acknowledged,
      unanswered: sent - acknowledged,
      lost,
      duplicates,
      outOfOrder,
    };
  }

  async leave(concurrency: number): Promise<void> {
    await inParallel(this.#sessions, concurrency, (session) => session.leave());
  }
}

/** A constant rate of events. */
class Pace {
  #done = 0;

  constructor(
    private readonly perSecond: number,
    private readonly began: number,
  ) {}

  due(now: number, tally: Tally): number {
    const due = Math.floor(((now - this.began) / 1000) * this.perSecond) - this.#done;
    this.#done += due;
    if (due > maxBehind) tally.count('dropped, the client process was behind', due - maxBehind);
    return Math.min(due, maxBehind);
  }
}

async function inParallel<T>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (const item of left) await work(item);
    }),
  );
}
