import { describe, expect, test } from 'vitest';
import { costOf, type WantedVideo } from '../src/allocation/allocate.ts';
import { AllocationState } from '../src/allocation/allocation-state.ts';
import { ActiveSpeakers } from '../src/allocation/active-speakers.ts';

const times = { holdMs: 5000, increaseEveryMs: 1500, trialAfterMs: 5000, maxTrialAfterMs: 20_000, trialMs: 4000 };

/** Subscriber of some videos of 100 kbit/s each, one update per second. */
class Subscriber {
  readonly #state = new AllocationState(times);
  sent: boolean[];
  #nowMs = 0;

  constructor(count: number) {
    this.sent = Array.from({ length: count }, () => true);
  }

  get #videos(): WantedVideo[] {
    return this.sent.map((isSent) => ({ importance: 1, bps: 100_000, ahead: 0, isSent }));
  }

  /** Number of videos that are sent after a second with this budget. @param updates number of updates until it is applied. */
  second(budget: number, { isCapped = false, isChanged = false, updates = 1 } = {}): number {
    this.#nowMs += 1000;
    const videos = this.#videos;
    for (let update = 0; update < updates; update++)
      this.sent = this.#state.update({ budget, isCapped, videos, isChanged, nowMs: this.#nowMs + 300 * update });
    return costOf(this.#videos, this.sent) / 100_000;
  }

  /** Seconds until a number of videos are sent, 100 at most. */
  secondsUntil(count: number, budget: number, isCapped = false): number {
    for (let seconds = 1; seconds <= 100; seconds++) if (this.second(budget, { isCapped }) === count) return seconds;
    return Infinity;
  }
}

describe('the allocation over time', () => {
  test('goes down at once, and up after the hold in steps', () => {
    const subscriber = new Subscriber(4);
    expect(subscriber.second(250_000)).toBe(2);
    expect(subscriber.secondsUntil(3, 1_000_000)).toBe(5);
    expect(subscriber.secondsUntil(4, 1_000_000)).toBe(2);
  });

  test('goes up only with the margin', () => {
    const subscriber = new Subscriber(4);
    subscriber.second(250_000);
    for (let second = 0; second < 6; second++) expect(subscriber.second(340_000)).toBe(2);
    expect(subscriber.second(346_000)).toBe(3);
  });

  test('does not wait when what is wanted has changed', () => {
    const subscriber = new Subscriber(4);
    subscriber.second(250_000);
    expect(subscriber.second(1_000_000, { isChanged: true })).toBe(3);
  });

  test('tries one more video while the estimate is limited by what is sent, and ever later when that fails', () => {
    const subscriber = new Subscriber(2);
    expect(subscriber.second(150_000)).toBe(1);
    const waits: number[] = [];
    for (let trial = 0; trial < 4; trial++) {
      waits.push(subscriber.secondsUntil(2, 150_000, true));
      // The queue grows, and the estimate falls.
      expect(subscriber.second(110_000, { isCapped: true })).toBe(1);
    }
    expect(waits).toEqual([5, 10, 20, 20]);
  });

  test('counts a failed trial once although the video is still sent for some updates', () => {
    const subscriber = new Subscriber(2);
    subscriber.second(150_000);
    const waits: number[] = [];
    for (let trial = 0; trial < 3; trial++) {
      waits.push(subscriber.secondsUntil(2, 150_000, true));
      subscriber.second(110_000, { isCapped: true, updates: 3 });
    }
    // The wait begins with the last update.
    expect(waits).toEqual([5, 11, 21]);
  });

  test('tries later when the estimate may become larger by itself', () => {
    const subscriber = new Subscriber(2);
    subscriber.second(150_000);
    expect(subscriber.secondsUntil(2, 150_000)).toBe(8);
  });

  test('keeps the most important video unless less than half of it is left', () => {
    const subscriber = new Subscriber(2);
    expect(subscriber.second(50_000)).toBe(1);
    expect(subscriber.second(49_000)).toBe(0);
  });

  test('keeps a trial that the estimate confirms', () => {
    const subscriber = new Subscriber(2);
    subscriber.second(150_000);
    subscriber.secondsUntil(2, 150_000, true);
    for (let second = 0; second < 3; second++) expect(subscriber.second(150_000, { isCapped: true })).toBe(2);
    for (let second = 0; second < 10; second++) expect(subscriber.second(230_000, { isCapped: true })).toBe(2);
  });
});

describe('active speakers', () => {
  test('the one before counts for 10 s more', () => {
    let nowMs = 0;
    const speakers = new ActiveSpeakers(() => nowMs);
    speakers.add('pt_a');
    nowMs = 60_000;
    speakers.add('pt_b');
    expect([speakers.has('pt_a'), speakers.has('pt_b'), speakers.has('pt_c')]).toEqual([true, true, false]);
    nowMs = 70_000;
    expect([speakers.has('pt_a'), speakers.has('pt_b')]).toEqual([false, true]);
  });
});
