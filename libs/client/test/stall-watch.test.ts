import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type PacketReceiver, StallWatch } from '../src/sfu/stall-watch.ts';

describe('StallWatch', () => {
  let stalls = 0;
  let receivers: PacketReceiver[] = [];
  let watch: StallWatch;
  const received = (...timestamps: number[]): PacketReceiver => ({
    getSynchronizationSources: () => timestamps.map((timestamp) => ({ timestamp, source: 1, rtpTimestamp: 0 })),
  });
  beforeEach(() => {
    stalls = 0;
    receivers = [];
    watch = new StallWatch(
      () => receivers,
      () => stalls++,
    );
  });
  afterEach(() => watch.stop());

  test('reports once that packets stopped, and again after others arrived', () => {
    receivers = [received(5000)];
    watch.check(1000);
    watch.check(1500);
    expect(stalls).toBe(0);
    watch.check(1600);
    watch.check(3000);
    expect(stalls).toBe(1);
    receivers = [received(7000)];
    watch.check(3250);
    watch.check(3850);
    expect(stalls).toBe(2);
  });

  test('reports nothing while one of several streams receives, nor before the first packet', () => {
    receivers = [received(), received(5000)];
    watch.check(0);
    for (let second = 1; second < 5; second++) {
      receivers = [received(5000), received(5000 + second)];
      watch.check(second * 1000);
    }
    expect(stalls).toBe(0);
    receivers = [received()];
    const idle = new StallWatch(
      () => receivers,
      () => stalls++,
    );
    idle.check(0);
    idle.check(5000);
    idle.stop();
    expect(stalls).toBe(0);
  });
});
