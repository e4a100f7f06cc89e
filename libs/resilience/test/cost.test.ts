import { createLogger } from '@flotilla/runtime';
import { expect, test } from 'vitest';
import { CallGuard, type OutcomeOf, type Target } from '../src/index.ts';

test('the cost of a guarded call beside a bare one is printed', async () => {
  const guard = new CallGuard({ log: createLogger({ service: 'test', level: 'silent' }) });
  const target: Target = { kind: 'sfu', name: 'sfu.nd_a', isInstance: true };
  const outcomeOf: OutcomeOf<unknown> = () => 'answered';
  const work = async (): Promise<number> => 1;
  const calls = { bare: work, guarded: () => guard.call(target, work, outcomeOf) };
  const batch = 100;
  const micros: Record<string, number[]> = { bare: [], guarded: [] };
  for (let round = 0; round < 3000; round++)
    for (const [name, call] of Object.entries(calls)) {
      const began = performance.now();
      for (let index = 0; index < batch; index++) await call();
      // The first rounds are compiled.
      if (round >= 1000) micros[name]!.push(((performance.now() - began) * 1000) / batch);
    }
  for (const [name, means] of Object.entries(micros)) {
    const sorted = means.toSorted((a, b) => a - b);
    const at = (share: number): string => sorted[Math.floor(share * sorted.length)]!.toFixed(2);
    console.log(`[guard] ${name} call: p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)} µs, 2,000 means of ${batch}`);
    expect(sorted).toHaveLength(2000);
  }
});
