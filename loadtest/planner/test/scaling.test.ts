import { describe, expect, test } from 'vitest';
import { compareScaling, hpaPolicy, ownPolicy, simulateScaling, workingDay } from '../src/scaling.ts';

describe('a simulated working day of up to 2,000 sessions', () => {
  const { own, hpa, ideal } = compareScaling(2000, 1);

  test('has joins that an HPA refuses and the autoscaler does not', () => {
    expect(hpa.refused).toBeGreaterThan(0);
    expect(own.refused).toBe(0);
    expect(ideal.refused).toBe(0);
  });

  test('takes fewer node hours than an HPA, and fewer than a quarter above the ideal', () => {
    expect(own.nodeHours).toBeLessThan(hpa.nodeHours);
    expect(own.nodeHours).toBeLessThan(ideal.nodeHours * 1.25);
    expect(own.nodeHours).toBeGreaterThan(ideal.nodeHours);
  });

  test('is the same for the same seed', () => {
    for (const policy of [ownPolicy, hpaPolicy]) {
      const runs = [1, 2].map(() => simulateScaling(workingDay(300, 7), policy()));
      expect(runs[0]).toEqual(runs[1]);
    }
  });
});
