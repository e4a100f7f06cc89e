import { metricsRegistry } from '@flotilla/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { type ReadPosition, StreamLag } from '../src/events/stream-lag.ts';

function checked(streams: readonly string[], countAfter: (keys: readonly string[]) => Promise<number[]>): StreamLag {
  const lag = new StreamLag(
    () => streams.map((key): ReadPosition => ({ key, offset: '1-0' })),
    (positions) => countAfter(positions.map(({ key }) => key)),
  );
  onTestFinished(() => lag.stop());
  return lag;
}

const exported = async (): Promise<number> =>
  Number(/^flotilla_stream_lag_entries (\d+)$/m.exec(await metricsRegistry.metrics())?.[1]);

test('the largest lag of all streams is exported, and forgotten after two rounds without it', async () => {
  let behind = 300;
  const lag = checked(['a', 'b'], async (keys) => keys.map((key) => (key === 'b' ? behind : 1)));
  await lag.check();
  expect(await exported()).toBe(300);
  behind = 0;
  await lag.check();
  expect(await exported()).toBe(300);
  await lag.check();
  expect(await exported()).toBe(1);
  lag.stop();
  expect(await exported()).toBe(0);
});

test('many streams are counted a few at a time, each once in a round', async () => {
  const seen: string[] = [];
  const streams = Array.from({ length: 150 }, (_, index) => `stream ${index}`);
  const lag = checked(streams, async (keys) => {
    expect(keys.length).toBeLessThanOrEqual(64);
    seen.push(...keys);
    return keys.map(() => 0);
  });
  for (let check = 0; check < 3; check++) await lag.check();
  expect(seen).toEqual(streams);
});

test('a count that fails changes nothing', async () => {
  const lag = checked(['a'], () => Promise.reject(new Error('no connection')));
  await lag.check();
  expect(lag.largest).toBe(0);
});

test('streams that a check did not come to, because others are far behind, are counted by the next one', async () => {
  const seen: string[][] = [];
  const lag = checked(['a', 'b', 'c'], async (keys) => {
    seen.push([...keys]);
    return keys.slice(0, 1).map(() => 4096);
  });
  for (let check = 0; check < 3; check++) await lag.check();
  expect(seen).toEqual([['a', 'b', 'c'], ['b', 'c'], ['c']]);
});
