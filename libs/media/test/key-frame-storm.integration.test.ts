import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { notYet, waitFor } from '@flotilla/testkit';
import { createWorker } from 'mediasoup';
import { expect, test } from 'vitest';
import { routerOptions } from '../src/codecs.ts';
import { keyFrameRequestDelayMs } from '../src/peer-media.ts';
import { VideoSource } from './rtp-source.ts';

const listenInfo = { protocol: 'udp', ip: '127.0.0.1' } as const;
const requestsOfStorm = 300;
/** The request when the consumer begins, and a repetition of one that was not answered in time. */
const otherRequests = 2;

/** Picture loss indication, RFC 4585, section 6.3.1. */
function pictureLossOf(ssrc: number): Buffer {
  const packet = Buffer.alloc(12);
  packet.set([0x81, 206, 0, 2]);
  packet.writeUInt32BE(1, 4);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}

test('a storm of key frame requests from a subscriber reaches the publisher as one in each interval', async () => {
  const worker = await createWorker();
  const router = await worker.createRouter(routerOptions);
  const payloadType = router.rtpCapabilities.codecs!.find(
    ({ mimeType }) => mimeType === 'video/VP8',
  )!.preferredPayloadType;
  const rtcpFeedback = [{ type: 'nack', parameter: 'pli' }];
  const entrance = await router.createPlainTransport({ listenInfo, comedia: true });
  const producer = await entrance.produce({
    kind: 'video',
    keyFrameRequestDelay: keyFrameRequestDelayMs,
    rtpParameters: {
      codecs: [{ mimeType: 'video/VP8', payloadType, clockRate: 90_000, rtcpFeedback }],
      encodings: [{ ssrc: VideoSource.ssrc }],
    },
  });
  const source = new VideoSource(entrance, payloadType);
  const subscriber = createSocket('udp4').bind(0, '127.0.0.1');
  await once(subscriber, 'listening');
  try {
    const exit = await router.createPlainTransport({ listenInfo });
    await exit.connect({ ip: '127.0.0.1', port: subscriber.address().port });
    const consumer = await exit.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
    const ssrc = consumer.rtpParameters.encodings![0]!.ssrc!;
    await waitFor('frames', async () => {
      const [stats] = await consumer.getStats();
      if (stats!.packetCount < 10) notYet(`${stats!.packetCount} packets`);
    });
    const before = source.requests;
    const began = performance.now();
    for (let sent = 0; sent < requestsOfStorm; sent++) {
      subscriber.send(pictureLossOf(ssrc), exit.tuple.localPort, exit.tuple.localAddress);
      await pause(5);
    }
    const [stats] = await consumer.getStats();
    expect((stats as unknown as { pliCount: number }).pliCount).toBeGreaterThan(requestsOfStorm / 2);
    const requests = source.requests - before;
    expect(requests).toBeGreaterThan(0);
    expect(requests).toBeLessThanOrEqual((performance.now() - began) / keyFrameRequestDelayMs + otherRequests);
  } finally {
    source.stop();
    subscriber.close();
    worker.close();
  }
});
