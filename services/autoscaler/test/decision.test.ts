import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide, emptyScalingMemory, type ScalingDecision, type ScalingMemory } from '../src/scaling/decision.ts';
import { demandOf } from '../src/scaling/demand.ts';
import { scalingSettings as settings } from '../src/scaling/settings.ts';

interface Step {
  readonly sessions: number;
  readonly cpu: number;
}
const capacity = 100;

/** Decides for one demand after another, with intervals of 500 ms, and applies each decision. */
function run(steps: readonly Step[], start = 2, more = settings): ScalingDecision[] {
  let memory: ScalingMemory = emptyScalingMemory;
  let current = start;
  return steps.map((step, index) => {
    const decision = decide({ ...step, capacity }, current, memory, more, index * 500);
    memory = decision.memory;
    current = decision.nodes;
    return decision;
  });
}
const steps = (count: number, step: Step): Step[] => Array.from({ length: count }, () => step);
const windowSteps = settings.stabilizationMs / 500;

const anyStep = fc.record({ sessions: fc.nat({ max: 1500 }), cpu: fc.double({ min: 0, max: 12, noNaN: true }) });

describe('the number of SFU nodes', () => {
  test.each([
    [0, 2, 'minimum'],
    [160, 2, 'sessions'],
    [190, 3, 'sessions'],
    [500, 6, 'sessions'],
    [2000, 10, 'maximum'],
  ] as const)('%i constant sessions of 100 per node need %i nodes', (sessions, nodes, cause) => {
    expect(run(steps(3, { sessions, cpu: 0 })).at(-1)).toMatchObject({ nodes, cause });
  });

  test('rises at the first report of a burst of joins, by more than the burst', () => {
    const before = run(steps(30, { sessions: 100, cpu: 0 }));
    expect(before.at(-1)).toMatchObject({ nodes: 2, growth: 0 });
    const after = run([...steps(30, { sessions: 100, cpu: 0 }), { sessions: 300, cpu: 0 }]).at(-1)!;
    expect(after).toMatchObject({ growth: 20, expectedSessions: 600, nodes: 8, cause: 'sessions' });
  });

  test('does not rise for one peak of CPU, however far the samples are apart', () => {
    let memory: ScalingMemory = emptyScalingMemory;
    let nodes: number | undefined;
    for (const [index, cpu] of [0.2, 0.2, 3].entries()) {
      const decision = decide({ sessions: 10, cpu, capacity }, 2, memory, settings, index * (settings.cpuForMs + 50));
      ({ memory, nodes } = decision);
    }
    expect(nodes).toBe(2);
  });

  test('rises for CPU only after it lasted for cpuForMs', () => {
    const quiet = steps(20, { sessions: 10, cpu: 0.2 });
    const lastingSteps = settings.cpuForMs / 500;
    const peak = run([...quiet, ...steps(lastingSteps, { sessions: 10, cpu: 3 })]);
    expect(peak.at(-1)!.nodes).toBe(2);
    const lasting = run([...quiet, ...steps(lastingSteps + 1, { sessions: 10, cpu: 3 })]);
    expect(lasting.at(-1)).toMatchObject({ nodes: 5, cause: 'cpu' });
  });

  test('falls once a whole window required fewer', () => {
    const decisions = run([...steps(1, { sessions: 500, cpu: 0 }), ...steps(windowSteps, { sessions: 10, cpu: 0 })]);
    expect(decisions.slice(0, -1).every(({ nodes }) => nodes === 6)).toBe(true);
    expect(decisions[1]!.cause).toBe('stabilization');
    expect(decisions.at(-1)).toMatchObject({ nodes: 2, cause: 'minimum' });
  });

  test('stays at the present number while no node reports', () => {
    const decision = decide({ sessions: 0, cpu: 0, capacity: undefined }, 7, emptyScalingMemory, settings, 0);
    expect(decision).toMatchObject({ nodes: 7, cause: 'unknown' });
  });

  test('does not fall below the present number before a new leader has seen a whole window', () => {
    const decisions = run(steps(windowSteps + 1, { sessions: 0, cpu: 0 }), 8);
    expect(decisions.slice(0, -1).every(({ nodes }) => nodes === 8)).toBe(true);
    expect(decisions.at(-1)!.nodes).toBe(2);
  });

  test('is within its bounds, and never falls within a window after it rose', () => {
    const more = { ...settings, stabilizationMs: 10_000 };
    fc.assert(
      fc.property(
        fc.array(anyStep, { minLength: 1, maxLength: 120 }),
        fc.integer({ min: 0, max: 15 }),
        (demand, start) => {
          const numbers = run(demand, start, more).map(({ nodes }) => nodes);
          let roseAt = -Infinity;
          for (const [index, nodes] of numbers.entries()) {
            expect(nodes).toBeGreaterThanOrEqual(more.min);
            expect(nodes).toBeLessThanOrEqual(more.max);
            const previous = numbers[index - 1] ?? nodes;
            if (nodes > previous) roseAt = index * 500;
            if (nodes < previous) expect(index * 500 - roseAt).toBeGreaterThanOrEqual(more.stabilizationMs);
          }
        },
      ),
    );
  });

  test('is never smaller for a greater demand', () => {
    fc.assert(
      fc.property(
        fc.array(anyStep, { minLength: 0, maxLength: 40 }),
        anyStep,
        fc.record({ sessions: fc.nat({ max: 500 }), cpu: fc.double({ min: 0, max: 5, noNaN: true }) }),
        (before, last, extra) => {
          const greater = { sessions: last.sessions + extra.sessions, cpu: last.cpu + extra.cpu };
          const [less, more] = [last, greater].map((step) => run([...before, step]).at(-1)!.nodes);
          expect(more).toBeGreaterThanOrEqual(less!);
        },
      ),
    );
  });

  test('has a memory that is bounded by the windows', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 200, maxLength: 200 }), (demand) => {
        const { memory } = run(demand).at(-1)!;
        expect(memory.samples.length).toBeLessThanOrEqual(settings.trendMs / 500 + 1);
        expect(memory.required.length).toBeLessThanOrEqual(settings.max - settings.min + 1);
      }),
      { numRuns: 20 },
    );
  });
});

describe('the demand of a fleet', () => {
  const node = (
    more: Partial<{
      alive: boolean;
      reserved: number;
      capacity: number;
      isHeldBack: boolean;
      cpu: number;
      workers: number[];
    }>,
  ) => {
    const { cpu = 0, workers = [], ...rest } = more;
    const load = { cpu, workers: workers.map((each) => ({ cpu: each })) };
    return { alive: true, reserved: 0, capacity: 100, isHeldBack: false, ...rest, load };
  };

  test('counts each node with its hottest worker, and sessions of lost nodes', () => {
    const demand = demandOf([
      node({ reserved: 30, cpu: 0.3, workers: [0.2, 0.8] }),
      node({ reserved: 5, cpu: 0.5, capacity: 50 }),
      node({ reserved: 7, cpu: 0.9, alive: false, capacity: 10 }),
    ]);
    expect(demand).toMatchObject({ sessions: 42, capacity: 50 });
    expect(demand.cpu).toBeCloseTo(1.3);
  });

  test('has the capacity of the nodes that take participants, and of those that a canary holds back without any other', () => {
    const heldBack = node({ reserved: 9, capacity: 20, isHeldBack: true });
    expect(demandOf([node({}), heldBack])).toMatchObject({ sessions: 9, capacity: 100 });
    expect(demandOf([heldBack])).toMatchObject({ capacity: 20 });
  });

  test('is without a capacity when no node is alive', () => {
    expect(demandOf([])).toEqual({ sessions: 0, cpu: 0, capacity: undefined });
  });
});
