import { waitFor, notYet } from '@flotilla/testkit';
import { createWorker } from 'mediasoup';
import type { Consumer, PipeTransport, Producer, Router, Worker } from 'mediasoup/types';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { routerOptions } from '../src/codecs.ts';
import { PipeBandwidth } from '../src/pipes/pipe-bandwidth.ts';
import { connectPipeTransport, openPipeTransport } from '../src/pipes/pipe-transport.ts';
import { Bottleneck } from './bottleneck.ts';
import { startRtpSource, VideoSource } from './rtp-source.ts';

const listen = { ip: '127.0.0.1' };
const listenInfo = { protocol: 'udp', ip: '127.0.0.1' } as const;

/** Videos of 100 kbit/s each and a sound of 40 kbit/s cross it. */
describe('a pipe between two nodes over a path with a bottleneck', () => {
  let workers: Worker[];
  let path: Bottleneck;
  let bandwidth: PipeBandwidth;
  let sender: PipeTransport;
  let receiver: PipeTransport;
  let sound: Consumer;
  let videos: Consumer[];
  const arrived: Producer[] = [];
  const stops: (() => void)[] = [];

  beforeEach(async () => {
    workers = await Promise.all([1, 2].map(() => createWorker()));
    const routers = (await Promise.all(workers.map((worker) => worker.createRouter(routerOptions)))) as [
      Router,
      Router,
    ];
    path = await Bottleneck.open();
    const [near, far] = [await openPipeTransport(routers[0], listen), await openPipeTransport(routers[1], listen)];
    [sender, receiver] = [near.transport, far.transport];
    path.connect(near.endpoint.port, far.endpoint.port);
    const [nearPort, farPort] = path.ports;
    await connectPipeTransport(sender, { ...far.endpoint, port: nearPort });
    await connectPipeTransport(receiver, { ...near.endpoint, port: farPort });
    const times = { resumeAfterMs: 2000, maxResumeAfterMs: 4000, trialMs: 3000 };
    bandwidth = new PipeBandwidth(() => performance.now(), { everyMs: 500, times });
    bandwidth.add(sender);

    const publish = async (kind: 'audio' | 'video'): Promise<Consumer> => {
      const codec = routers[0].rtpCapabilities.codecs!.find(
        ({ mimeType }) => ['video/VP8', 'audio/opus'].includes(mimeType) && mimeType.startsWith(kind),
      )!;
      const { mimeType, clockRate, channels, preferredPayloadType: payloadType } = codec;
      const rtcpFeedback = kind === 'video' ? [{ type: 'nack', parameter: 'pli' }] : [];
      const entrance = await routers[0].createPlainTransport({ listenInfo, comedia: true });
      const ssrc = kind === 'video' ? VideoSource.ssrc : 1111;
      const producer = await entrance.produce({
        kind,
        rtpParameters: {
          codecs: [{ mimeType, clockRate, payloadType, rtcpFeedback, ...(channels && { channels }) }],
          encodings: [{ ssrc }],
        },
      });
      if (kind === 'video') {
        const source = new VideoSource(entrance, payloadType);
        stops.push(() => source.stop());
      } else stops.push(startRtpSource(entrance, { ssrc, payloadType }));
      const consumer = await sender.consume({ producerId: producer.id });
      const { rtpParameters } = consumer;
      arrived.push(await receiver.produce({ id: producer.id, kind, rtpParameters }));
      return consumer;
    };
    sound = await publish('audio');
    videos = [await publish('video'), await publish('video'), await publish('video')];
  });
  afterEach(() => {
    for (const stop of stops.splice(0)) stop();
    arrived.length = 0;
    for (const worker of workers) worker.close();
    path.close();
  });

  const paused = (): boolean[] => videos.map((each) => each.paused);

  test('pauses the videos that were added last while it is tight, and resumes them when it is not', async () => {
    await waitFor('an estimate', () => {
      if (bandwidth.states.length === 0) notYet('no report yet');
    });
    expect(paused()).toEqual([false, false, false]);

    path.bitrate = 200_000;
    await waitFor('a paused video', () => {
      if (!videos[2]!.paused) notYet(`dropped ${path.dropped}`);
    });
    expect(paused()[0]).toBe(false);
    expect(sound.paused).toBe(false);
    expect(bandwidth.states[0]!.pausedVideos).toBeGreaterThan(0);

    path.bitrate = Infinity;
    await waitFor('all videos', () => {
      if (paused().includes(true)) notYet(JSON.stringify(paused()));
    });
    const received = async (): Promise<number> => (await arrived[3]!.getStats())[0]!.packetCount;
    const before = await received();
    await waitFor('packets of the last video', async () => {
      if ((await received()) < before + 10) notYet(`${await received()} packets`);
    });
  });

  test('resumes a video that was paused last although nothing else crosses it', async () => {
    path.bitrate = 200_000;
    await waitFor('a paused video', () => {
      if (!videos[2]!.paused) notYet(`dropped ${path.dropped}`);
    });
    // The others are muted.
    for (const silent of [sound, ...videos.slice(0, 2)]) await silent.pause();
    path.bitrate = Infinity;
    await waitFor('the video', () => {
      if (videos[2]!.paused) notYet(JSON.stringify(bandwidth.states));
    });
  });

  test('a closed pipe is no longer measured', async () => {
    await waitFor('an estimate', () => {
      if (bandwidth.states.length === 0) notYet('no report yet');
    });
    sender.close();
    expect(bandwidth.states).toEqual([]);
  });
});
