import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Candidate, chooseNode } from '../src/index.ts';

const candidate = fc.record({
  id: fc.uuid(),
  capacity: fc.integer({ min: 1, max: 50 }),
  reserved: fc.integer({ min: 0, max: 60 }),
  cpu: fc.double({ min: 0, max: 1, noNaN: true }),
  preferred: fc.boolean(),
});
const candidates = fc.uniqueArray(candidate, { selector: ({ id }) => id, maxLength: 20 });
const random = fc.tuple(
  fc.double({ min: 0, max: 0.999999, noNaN: true }),
  fc.double({ min: 0, max: 0.999999, noNaN: true }),
);
const load = ({ reserved, capacity, cpu }: Candidate) => Math.max(reserved / capacity, cpu);

describe('choosing a node', () => {
  test('a node with free capacity is chosen whenever there is one', () => {
    fc.assert(
      fc.property(candidates, random, (nodes, numbers) => {
        const free = nodes.filter(({ reserved, capacity }) => reserved < capacity);
        const chosen = chooseNode(nodes, numbers);
        if (free.length === 0) expect(chosen).toBeUndefined();
        else expect(free.map(({ id }) => id)).toContain(chosen);
      }),
    );
  });

  test('the most loaded of several nodes is never chosen', () => {
    fc.assert(
      fc.property(candidates, random, (nodes, numbers) => {
        const free = nodes
          .map((node) => ({ ...node, preferred: false }))
          .filter(({ reserved, capacity }) => reserved < capacity);
        fc.pre(free.length > 1);
        const chosen = free.find(({ id }) => id === chooseNode(free, numbers))!;
        expect(load(chosen)).toBeLessThanOrEqual(free.map(load).toSorted((a, b) => b - a)[1]!);
      }),
    );
  });

  test('a preferred node is chosen while its load is below the limit', () => {
    fc.assert(
      fc.property(candidates, random, (nodes, numbers) => {
        const host = nodes
          .filter(({ reserved, capacity, preferred }) => preferred && reserved < capacity)
          .find((node) => load(node) < 0.8);
        fc.pre(host !== undefined);
        expect(nodes.find(({ id }) => id === chooseNode(nodes, numbers))).toMatchObject({ preferred: true });
      }),
    );
  });
});
