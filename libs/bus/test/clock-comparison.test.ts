import { type Logger, metricsRegistry } from '@flotilla/runtime';
import { describe, expect, test } from 'vitest';
import { ClockComparison } from '../src/commands/clock-comparison.ts';

const offsets = async (): Promise<unknown> => {
  const metric = await metricsRegistry.getSingleMetric('flotilla_clock_offset_seconds')!.get();
  return metric.values.map(({ labels, value }) => [labels['service'], value]);
};

describe('the comparison of clocks', () => {
  test('reports the offset of each service, and warns once while a clock is seconds off', async () => {
    const warnings: unknown[] = [];
    const clocks = new ClockComparison({ warn: (fields: object) => warnings.push(fields) } as unknown as Logger);
    const answer = (service: string, offsetMs: number, roundTripMs = 10): void =>
      clocks.compare(service, {
        sentAt: 1000,
        answeredAt: 1000 + roundTripMs / 2 + offsetMs,
        receivedAt: 1000 + roundTripMs,
      });
    answer('registry', 100);
    answer('sfu', -3000);
    answer('sfu', -3000);
    expect(await offsets()).toEqual([
      ['registry', 0.1],
      ['sfu', -3],
    ]);
    expect(warnings).toEqual([{ service: 'sfu', offsetMs: -3000 }]);
    // A slow answer is no evidence.
    answer('registry', 2500, 4000);
    expect(warnings).toHaveLength(1);
    answer('sfu', 0);
    answer('sfu', 5000);
    expect(warnings).toHaveLength(2);
  });
});
