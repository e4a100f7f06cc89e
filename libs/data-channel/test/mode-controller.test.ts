import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adaptiveRule, initialMode, type LinkMeasurement, LinkMeter, type ModeState, nextMode } from '../src/index.ts';

const intervalMs = 250;
const good: LinkMeasurement = { loss: 0, rttMs: 40, bufferedBytes: 0 };
const bad: LinkMeasurement = { loss: 0.3, rttMs: 400, bufferedBytes: 0 };

/** The states after each measurement. */
function run(links: readonly LinkMeasurement[], state: ModeState = initialMode(0)): ModeState[] {
  let now = state.since;
  return links.map((link) => (state = nextMode(state, link, (now += intervalMs))));
}

const repeat = (link: LinkMeasurement, ms: number): LinkMeasurement[] =>
  Array.from({ length: ms / intervalMs }, () => link);

const switchTimes = (states: readonly ModeState[]): number[] => [...new Set(states.map(({ since }) => since))];

const link = fc.record({
  loss: fc.double({ min: 0, max: 1, noNaN: true }),
  rttMs: fc.double({ min: 0, max: 2000, noNaN: true }),
  bufferedBytes: fc.nat(1_000_000),
});

describe('nextMode', () => {
  test('switches to the unreliable channel at high loss and round trip, and back after both have recovered', () => {
    const states = run([...repeat(good, 10_000), ...repeat(bad, 10_000), ...repeat(good, 20_000)]);
    expect(states[39]!.channel).toBe('limited');
    expect(states[79]!.channel).toBe('unreliable');
    expect(states.at(-1)!.channel).toBe('limited');
    expect(switchTimes(states)).toHaveLength(3);
  });

  test.each([
    ['high loss and a short round trip', { ...bad, rttMs: 200 }],
    ['low loss and a long round trip', { ...bad, loss: 0.15 }],
  ])('stays on the limited channel with %s', (_what, link) => {
    expect(run(repeat(link, 60_000)).every(({ channel }) => channel === 'limited')).toBe(true);
  });

  test('ignores a single bad measurement', () => {
    const moment = [...repeat(good, 10_000), ...repeat(bad, intervalMs), ...repeat(good, 10_000)];
    expect(switchTimes(run(moment))).toHaveLength(1);
  });

  test('does not switch back while the send buffer is full', () => {
    const clogged = { ...good, bufferedBytes: adaptiveRule.clear.bufferedBytes };
    const states = run([...repeat(bad, 10_000), ...repeat(clogged, 60_000)]);
    expect(states.at(-1)!.channel).toBe('unreliable');
  });

  test('keeps either channel for measurements between the two thresholds', () => {
    const { bad: enter, clear } = adaptiveRule;
    const between = fc.record({
      loss: fc.double({ min: clear.loss, max: enter.loss, noNaN: true }),
      rttMs: fc.double({ min: clear.rttMs, max: 2000, noNaN: true }),
      bufferedBytes: fc.nat(1_000_000),
    });
    fc.assert(
      fc.property(fc.array(between, { maxLength: 200 }), fc.constantFrom('limited', 'unreliable'), (links, channel) => {
        const start: ModeState = { ...initialMode(0), channel };
        for (const state of run(links, start)) expect(state.channel).toBe(channel);
      }),
    );
  });

  test('keeps each channel for the minimum dwell time, for any measurements, and is deterministic', () => {
    fc.assert(
      fc.property(fc.array(link, { maxLength: 400 }), (links) => {
        const states = run(links);
        const times = switchTimes(states);
        for (const [index, at] of times.slice(1).entries())
          expect(at - times[index]!).toBeGreaterThanOrEqual(adaptiveRule.dwellMs.least);
        expect(run(links)).toEqual(states);
      }),
    );
  });
});

/** A simulated link: each time request is lost or answered after a round trip, pseudo-randomly and reproducibly. */
class SimulatedLink {
  readonly meter = new LinkMeter();
  #answers: { t1: number; at: number }[] = [];
  #seed = 1;

  #random(): number {
    this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) >>> 0;
    return (this.#seed >>> 8) / 2 ** 24;
  }

  /** Simulates 250 ms with this loss and a round trip with 20 % jitter. */
  step(now: number, loss: number, rttMs: number): { rttMs: number; loss: number } | undefined {
    this.meter.sent(now, now);
    if (this.#random() >= loss) this.#answers.push({ t1: now, at: now + rttMs * (0.8 + 0.4 * this.#random()) });
    for (const { t1, at } of this.#answers) if (at <= now) this.meter.answered(t1, at);
    this.#answers = this.#answers.filter(({ at }) => at > now);
    return this.meter.measure(now);
  }
}

describe('nextMode with the measurements of LinkMeter on a simulated link', () => {
  /** Loss and round trip by second. */
  function simulate(of: (second: number) => [loss: number, rttMs: number], seconds: number): ModeState[] {
    const simulated = new SimulatedLink();
    let state = initialMode(0);
    const states: ModeState[] = [];
    for (let now = 0; now < seconds * 1000; now += intervalMs) {
      const measured = simulated.step(now, ...of(now / 1000));
      if (measured) state = nextMode(state, { ...measured, bufferedBytes: 0 }, now);
      states.push(state);
    }
    return states;
  }

  test('30 s of high loss and round trip cause one switch in each direction', () => {
    const states = simulate((second) => (second > 20 && second < 50 ? [0.35, 450] : [0.01, 60]), 90);
    expect(states.map(({ channel }) => channel)).toContain('unreliable');
    expect(switchTimes(states)).toHaveLength(3);
    const [, toUnreliable, toLimited] = switchTimes(states);
    expect(toUnreliable).toBeGreaterThan(20_000);
    expect(toUnreliable).toBeLessThan(30_000);
    expect(toLimited).toBeGreaterThan(50_000);
    expect(toLimited).toBeLessThan(70_000);
  });

  test('a link at the threshold switches less than 15 times in ten minutes', () => {
    const states = simulate(() => [0.15, 210], 600);
    expect(switchTimes(states).length).toBeLessThan(15);
    const unanswered = simulate((second) => (second > 10 ? [1, 100] : [0, 100]), 60);
    expect(unanswered.at(-1)!.channel).toBe('unreliable');
  });
});
