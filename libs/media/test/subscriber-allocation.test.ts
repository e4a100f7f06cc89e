import { EventEmitter } from 'node:events';
import { metricsRegistry } from '@flotilla/runtime';
import type { Consumer, Producer, Transport } from 'mediasoup/types';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ProducerBitrates } from '../src/allocation/producer-bitrates.ts';
import { SubscriberAllocation } from '../src/allocation/subscriber-allocation.ts';

/** A mediasoup Consumer of a video of some bit rate, as far as an allocation uses it. */
class FakeVideo extends EventEmitter {
  readonly kind = 'video';
  readonly observer = new EventEmitter();
  closed = false;
  paused = false;
  producerPaused = false;
  priority = 1;
  currentLayers: object | undefined;

  constructor(
    readonly id: string,
    readonly type: 'simple' | 'simulcast',
    public bps: number,
  ) {
    super();
  }

  async pause(): Promise<void> {
    this.paused = true;
  }

  async resume(): Promise<void> {
    this.paused = false;
  }

  mute(isMuted: boolean): void {
    this.producerPaused = isMuted;
    this.emit(isMuted ? 'producerpause' : 'producerresume');
  }

  setLayers(layers: object | undefined): void {
    this.currentLayers = layers;
    this.emit('layerschange', layers);
  }

  close(): void {
    this.closed = true;
    this.observer.emit('close');
  }
}

/** A subscriber with videos of 300 kbit/s unless said otherwise. */
class Subscriber {
  readonly #transport = Object.assign(new EventEmitter(), { enableTraceEvent: async () => undefined });
  readonly #videos = new Map<unknown, FakeVideo>();
  readonly limited: (readonly string[])[] = [];
  measurements = 0;
  readonly allocation = new SubscriberAllocation({
    transport: this.#transport as unknown as Transport,
    layers: { reallocate: () => undefined },
    isActiveSpeaker: () => false,
    onLimited: (ids) => this.limited.push(ids),
    bitrates: {
      of: async (producer: Producer) => {
        this.measurements++;
        return [[this.#videos.get(producer)!.bps]];
      },
    } as unknown as ProducerBitrates,
  });

  add(id: string, { type = 'simple', bps = 300_000, priority = 1 } = {}): FakeVideo {
    const video = new FakeVideo(id, type as 'simple', bps);
    video.priority = priority;
    const producer = { id: `producer of ${id}` } as Producer;
    this.#videos.set(producer, video);
    this.allocation.add(video as unknown as Consumer, {
      publicationId: id,
      participantId: id,
      source: 'camera',
      producer,
    });
    return video;
  }

  estimate(availableBitrate: number, desiredBitrate = 10_000_000): void {
    const info = { availableBitrate, desiredBitrate, maxBitrate: 2 * availableBitrate };
    this.#transport.emit('trace', { type: 'bwe', info });
  }

  /** Time passes with an estimate, which mediasoup reports once a second. */
  async seconds(count: number, estimate: number, desired?: number): Promise<void> {
    for (let second = 0; second < count; second++) {
      this.estimate(estimate, desired);
      await vi.advanceTimersByTimeAsync(1000);
    }
  }
}

async function countLimited(): Promise<number> {
  const metric = await metricsRegistry.getSingleMetric('sfu_videos_paused_for_bandwidth')!.get();
  return metric.values[0]?.value ?? 0;
}

describe('the videos of a subscriber that is short of bandwidth', () => {
  let subscriber: Subscriber;
  beforeEach(() => {
    vi.useFakeTimers();
    subscriber = new Subscriber();
  });
  afterEach(() => {
    subscriber.allocation.close();
    vi.useRealTimers();
  });

  /** Two videos of which one fits. */
  const shortOfOne = async (): Promise<[FakeVideo, FakeVideo]> => {
    const videos = [subscriber.add('kept', { priority: 2 }), subscriber.add('limited')] as [FakeVideo, FakeVideo];
    await subscriber.seconds(6, 400_000);
    expect(videos.map(({ paused }) => paused)).toEqual([false, true]);
    expect(subscriber.allocation.limitedIds).toEqual(['limited']);
    return videos;
  };

  test('are resumed after a mute, although the bandwidth then suffices and mediasoup desires little', async () => {
    const [, video] = await shortOfOne();
    video.mute(true);
    expect(video.paused).toBe(false);
    expect(subscriber.limited.at(-1)).toEqual([]);
    video.mute(false);
    await subscriber.seconds(10, 5_000_000, 300_000);
    expect(video.paused).toBe(false);
  });

  test('are resumed after a gap in their stream', async () => {
    const [, video] = await shortOfOne();
    video.bps = 0;
    await subscriber.seconds(2, 400_000, 300_000);
    expect(video.paused).toBe(false);
    expect(subscriber.limited.at(-1)).toEqual([]);
  });

  test('stay paused by their client when they are muted', async () => {
    const [, video] = await shortOfOne();
    await subscriber.allocation.setPaused(video as unknown as Consumer, true);
    video.mute(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(video.paused).toBe(true);
    expect(subscriber.allocation.limitedIds).toEqual([]);
  });

  test('are resumed when mediasoup reports nothing that calls for it', async () => {
    const [, video] = await shortOfOne();
    subscriber.estimate(5_000_000, 300_000);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(video.paused).toBe(false);
  });

  test('with layers lose the sign when they are sent again, or muted', async () => {
    const [sent, muted] = [
      subscriber.add('sent', { type: 'simulcast' }),
      subscriber.add('muted', { type: 'simulcast' }),
    ];
    await subscriber.seconds(8, 100_000);
    expect(subscriber.limited.at(-1)).toEqual(['sent', 'muted']);
    sent.setLayers({ spatialLayer: 0 });
    muted.mute(true);
    expect(subscriber.limited.at(-1)).toEqual([]);
    expect([sent.paused, muted.paused]).toEqual([false, false]);
  });

  test('in one stream get what those with layers do not need at least', async () => {
    const layered = Array.from({ length: 8 }, (_, at) =>
      subscriber.add(`layered ${at}`, { type: 'simulcast', bps: 60_000, priority: 2 }),
    );
    for (const each of layered) each.setLayers({ spatialLayer: 0 });
    const [important, other] = [subscriber.add('important', { priority: 3 }), subscriber.add('other')];
    await subscriber.seconds(6, 700_000);
    expect([important.paused, other.paused]).toEqual([false, true]);
    await subscriber.seconds(10, 1_400_000);
    expect(other.paused).toBe(false);
  });

  test('in one stream are tried beside many with layers', async () => {
    for (let at = 0; at < 20; at++)
      subscriber.add(`layered ${at}`, { type: 'simulcast', priority: 2 }).setLayers({ spatialLayer: 0 });
    const video = subscriber.add('single');
    await subscriber.seconds(6, 1_000_000);
    expect(video.paused).toBe(true);
    const resumed = vi.spyOn(video, 'resume');
    await subscriber.seconds(20, 1_000_000);
    expect(resumed).toHaveBeenCalled();
  });

  test('are counted once each, also when the session closes', async () => {
    const before = await countLimited();
    const [kept, video] = await shortOfOne();
    expect(await countLimited()).toBe(before + 1);
    subscriber.allocation.close();
    for (const each of [kept, video]) each.close();
    expect(await countLimited()).toBe(before);
  });
});

test('another active speaker makes no subscriber allocate that is not short', async () => {
  vi.useFakeTimers();
  const subscriber = new Subscriber();
  subscriber.add('one');
  await subscriber.seconds(6, 390_000, 300_000);
  const { measurements } = subscriber;
  subscriber.allocation.speakerChanged();
  await vi.advanceTimersByTimeAsync(5000);
  expect(subscriber.measurements).toBe(measurements);
  subscriber.allocation.close();
  vi.useRealTimers();
});
