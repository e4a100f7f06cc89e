import { notYet, waitFor } from '@flotilla/testkit';
import { createWorker } from 'mediasoup';
import type { Consumer, DirectTransport, PlainTransport, Producer, Router, Worker } from 'mediasoup/types';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { routerOptions } from '../src/codecs.ts';
import { LayerAllocator } from '../src/layer-allocator.ts';
import { frameIn, VideoSource } from './rtp-source.ts';

describe('LayerAllocator with VP8 in one stream and three temporal layers', () => {
  let worker: Worker;
  let router: Router;
  let entrance: PlainTransport;
  let exit: DirectTransport;
  let producer: Producer;
  let consumer: Consumer;
  let source: VideoSource;
  let layers: LayerAllocator;
  let frames: { layer: number; isKey: boolean }[];

  beforeEach(async () => {
    worker = await createWorker();
    router = await worker.createRouter(routerOptions);
    const { preferredPayloadType: payloadType } = router.rtpCapabilities.codecs!.find(
      ({ mimeType }) => mimeType === 'video/VP8',
    )!;
    entrance = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' }, comedia: true });
    producer = await entrance.produce({
      kind: 'video',
      rtpParameters: {
        codecs: [
          { mimeType: 'video/VP8', payloadType, clockRate: 90_000, rtcpFeedback: [{ type: 'nack', parameter: 'pli' }] },
        ],
        encodings: [{ ssrc: VideoSource.ssrc, scalabilityMode: 'L1T3' }],
      },
    });
    exit = await router.createDirectTransport();
    consumer = await exit.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
    frames = [];
    consumer.on('rtp', (packet) => frames.push(frameIn(packet)));
    layers = new LayerAllocator(() => [consumer]);
    layers.add(consumer);
    source = new VideoSource(entrance, payloadType, true);
  });
  afterEach(() => {
    source.stop();
    layers.close();
    worker.close();
  });

  const receives = (layer: number): Promise<void> =>
    waitFor(`a frame of layer ${layer}`, () => {
      if (!frames.some((frame) => frame.layer === layer))
        notYet(`${frames.length} frames, layers are ${JSON.stringify(consumer.currentLayers)}`);
    });

  test('a new consumer gets the key frame first and then all layers', async () => {
    await receives(2);
    expect(frames[0]).toEqual({ layer: 0, isKey: true });
    expect(source.requests).toBeLessThanOrEqual(1);
  });

  test('a resumed consumer gets a key frame first and then all layers', async () => {
    await receives(2);
    await consumer.pause();
    // mediasoup emits the frames that its worker sent before the reply after it.
    await new Promise(setImmediate);
    frames.length = 0;
    await consumer.resume();
    layers.reallocate();
    await receives(2);
    expect(frames[0]).toEqual({ layer: 0, isKey: true });
  });

  test('a consumer gets no layer above its maximum', async () => {
    await layers.setMaximum(consumer, { spatial: 0, temporal: 1 });
    await receives(1);
    frames.length = 0;
    await receives(1);
    expect(frames.filter(({ layer }) => layer > 1)).toEqual([]);
  });
});
