import { notYet, waitFor } from '@flotilla/testkit';
import { createWorker } from 'mediasoup';
import type { Consumer, DirectTransport, PlainTransport, Producer, Router, Worker } from 'mediasoup/types';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { routerOptions } from '../src/codecs.ts';
import { LayerShare } from '../src/layers.ts';
import { frameIn, VideoSource } from './rtp-source.ts';

describe('a picture in one stream with temporal layers', () => {
  let worker: Worker;
  let router: Router;
  let entrance: PlainTransport;
  let exit: DirectTransport;
  let producer: Producer;
  let consumer: Consumer;
  let source: VideoSource;
  let layers: LayerShare;
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
    layers = new LayerShare(() => [consumer]);
    layers.begin(consumer);
    source = new VideoSource(entrance, payloadType, true);
  });
  afterEach(() => {
    source.stop();
    layers.close();
    worker.close();
  });

  const seen = (layer: number): Promise<void> =>
    waitFor(`frames of layer ${layer} come`, () => {
      if (!frames.some((frame) => frame.layer === layer))
        notYet(`${frames.length} frames, layers are ${JSON.stringify(consumer.currentLayers)}`);
    });

  test('begins with its key frame, and goes up to all its layers', async () => {
    await seen(2);
    expect(frames[0]).toEqual({ layer: 0, isKey: true });
    expect(source.requests).toBeLessThanOrEqual(1);
  });

  test('begins so again after a pause', async () => {
    await seen(2);
    await consumer.pause();
    frames.length = 0;
    await consumer.resume();
    layers.changed();
    await seen(2);
    expect(frames[0]).toEqual({ layer: 0, isKey: true });
  });

  test('does not go beyond what is wanted', async () => {
    await layers.prefer(consumer, { spatial: 0, temporal: 1 });
    await seen(1);
    frames.length = 0;
    await seen(1);
    expect(frames.filter(({ layer }) => layer > 1)).toEqual([]);
  });
});
