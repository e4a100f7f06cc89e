import { expect, test } from 'vitest';
import { chooseWorker, type WorkerState } from '../src/worker-choice.ts';

const limits = { cpu: 0.6, load: 400 };
const choose = (...workers: Partial<WorkerState>[]): number =>
  chooseWorker(
    workers.map((each, index) => ({ index, cpu: 0, load: 0, ofRoom: 0, ...each })),
    limits,
  ).index;

test('a new room goes to the least loaded worker', () => {
  expect(choose({ load: 3 }, { load: 1 }, { load: 2 })).toBe(1);
  expect(choose({ cpu: 0.5, load: 1 }, { cpu: 0.1, load: 100 })).toBe(1);
});

test('differences of CPU below a tenth do not count', () => {
  expect(choose({ cpu: 0.01, load: 1 }, { cpu: 0.09 })).toBe(1);
});

test('a room stays on its worker below both limits, also when another one is idle', () => {
  expect(choose({}, { cpu: 0.59, load: 399, ofRoom: 10 })).toBe(1);
});

test.each([
  ['CPU', { cpu: 0.6, load: 10 }],
  ['load', { cpu: 0.1, load: 400 }],
])('at the limit of %s the next session is assigned to the least loaded worker', (_, full) => {
  expect(choose({ ...full, ofRoom: 10 }, { load: 5 }, {})).toBe(2);
});

test('of several workers below the limits it fills the one that has most of it', () => {
  expect(choose({ load: 20, ofRoom: 5 }, { load: 30, ofRoom: 6 }, { load: 500, ofRoom: 100 })).toBe(1);
});

test('when all are above the limits, the least loaded one is chosen', () => {
  expect(choose({ cpu: 0.9, load: 800, ofRoom: 40 }, { cpu: 0.8, load: 500, ofRoom: 20 })).toBe(1);
});
