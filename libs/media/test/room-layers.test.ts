import { EventEmitter } from 'node:events';
import { type ErrorCode, FlotillaError } from '@flotilla/contracts';
import type { Consumer, Producer } from 'mediasoup/types';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { repeatEveryMs, RoomLayers } from '../src/layers/room-layers.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A video of three layers from another node, of which the lowest is used. Reports are answered with these errors, then accepted. */
function received(...errors: ErrorCode[]): { reports: (number | null)[]; producer: EventEmitter } {
  const reports: (number | null)[] = [];
  const observer = new EventEmitter();
  const rtpParameters = { encodings: [{}, {}, {}] };
  const producer = { id: 'pr_a', kind: 'video', type: 'simulcast', closed: false, observer, rtpParameters };
  const layers = new RoomLayers();
  layers.received(producer as unknown as Producer, async (layer) => {
    reports.push(layer);
    const error = errors.shift();
    if (error) throw new FlotillaError(error);
  });
  const consumer = { producerId: 'pr_a', closed: false, observer: new EventEmitter() } as unknown as Consumer;
  layers.add(consumer);
  layers.choose(consumer, { layers: { spatial: 0 } });
  return { reports, producer: observer };
}

describe('the layers that are used here of a video from another node', () => {
  test('are reported every minute while they are not all, until the video ends', async () => {
    const { reports, producer } = received();
    await vi.advanceTimersByTimeAsync(2 * repeatEveryMs + 1000);
    expect(reports).toEqual([0, 0, 0]);
    producer.emit('close');
    await vi.advanceTimersByTimeAsync(2 * repeatEveryMs);
    expect(reports).toHaveLength(3);
  });

  test.for(['INTERNAL', 'RATE_LIMITED', 'UNAVAILABLE'] as const)('are reported again after %s', async (code) => {
    const { reports } = received(code, code, code);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(reports).toEqual([0, 0, 0, 0]);
  });

  test.for(['UNKNOWN_TYPE', 'MEDIA_NOT_OPEN', 'PUBLICATION_NOT_FOUND'] as const)('are not after %s', async (code) => {
    const { reports } = received(code);
    await vi.advanceTimersByTimeAsync(3 * repeatEveryMs);
    expect(reports).toEqual([0]);
  });

  test('are reported ever more rarely while that fails', async () => {
    const { reports } = received(...Array.from({ length: 100 }, () => 'INTERNAL' as const));
    await vi.advanceTimersByTimeAsync(50_000);
    expect(reports.length).toBeLessThan(12);
  });
});
