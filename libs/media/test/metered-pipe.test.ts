import { EventEmitter } from 'node:events';
import type { MediaKind } from '@flotilla/contracts';
import type { PipeTransport } from 'mediasoup/types';
import { expect, test } from 'vitest';
import { MeteredPipe } from '../src/pipes/metered-pipe.ts';

/** A Consumer of a pipe that loses a fifth of its packets, as far as its measurement uses it. */
class FakeConsumer {
  readonly observer = new EventEmitter();
  readonly producerPaused = false;
  readonly rtpParameters = { codecs: [{ clockRate: 90_000 }] };
  paused = false;

  constructor(
    readonly kind: MediaKind,
    private readonly bitrate: number,
  ) {}

  async getStats(): Promise<object[]> {
    const { bitrate } = this;
    return [{ type: 'outbound-rtp', bitrate, fractionLost: 51, jitter: 0, roundTripTime: 20 }];
  }

  async pause(): Promise<void> {
    this.paused = true;
  }
}

test('a tight pipe pauses the last added of the videos that carry something', async () => {
  let nowMs = 0;
  const observer = new EventEmitter();
  const transport = { observer, getStats: async () => [{ sendBitrate: 2_000_000 }] };
  const pipe = new MeteredPipe(transport as unknown as PipeTransport, () => nowMs);
  const consumers = [
    new FakeConsumer('audio', 40_000),
    new FakeConsumer('video', 900_000),
    new FakeConsumer('video', 900_000),
    new FakeConsumer('video', 0),
  ];
  for (const consumer of consumers) observer.emit('newconsumer', consumer);
  for (let second = 0; second < 30 && !consumers.some(({ paused }) => paused); second++) {
    nowMs += 1000;
    await pipe.measure();
  }
  expect(consumers.map(({ paused }) => paused)).toEqual([false, false, true, false]);
});
