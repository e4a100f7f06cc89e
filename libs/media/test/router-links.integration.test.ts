import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { RoomEventPayload } from '@flotilla/contracts';
import { notYet, waitFor } from '@flotilla/testkit';
import { createWorker } from 'mediasoup';
import type { Consumer, PlainTransport, Producer, Router, Worker } from 'mediasoup/types';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { routerOptions } from '../src/codecs.ts';
import { RouterLinks } from '../src/router-links.ts';
import { type RouterSpeakers, SpeakerDetector } from '../src/speakers.ts';
import { killProcess } from '../src/worker-pool.ts';
import { audioLevel, SimulcastSource, startRtpSource } from './rtp-source.ts';

const listenInfo = { protocol: 'udp', ip: '127.0.0.1' } as const;

let workers: Worker[];
let routers: [Router, Router, Router];
let links: RouterLinks;
const stops: (() => void)[] = [];

beforeEach(async () => {
  workers = await Promise.all([1, 2, 3].map(() => createWorker()));
  routers = (await Promise.all(workers.map((worker) => worker.createRouter(routerOptions)))) as typeof routers;
  links = new RouterLinks();
});
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
  links.close();
  for (const worker of workers) worker.close();
});

const payloadTypeOf = (mimeType: string): number =>
  routers[0].rtpCapabilities.codecs!.find((codec) => codec.mimeType === mimeType)!.preferredPayloadType;

async function simulcast(router: Router): Promise<{ producer: Producer; source: SimulcastSource }> {
  const entrance = await router.createPlainTransport({ listenInfo, comedia: true });
  const payloadType = payloadTypeOf('video/VP8');
  const rtcpFeedback = [{ type: 'nack', parameter: 'pli' }];
  const producer = await entrance.produce({
    kind: 'video',
    rtpParameters: {
      codecs: [{ mimeType: 'video/VP8', payloadType, clockRate: 90_000, rtcpFeedback }],
      encodings: SimulcastSource.ssrcs.map((ssrc) => ({ ssrc })),
    },
  });
  const source = new SimulcastSource(entrance, payloadType);
  stops.push(() => source.stop());
  return { producer, source };
}

/** A consumer, and what the last packet that it sent has as payload, in bytes. */
async function receive(router: Router, { id }: Producer): Promise<{ consumer: Consumer; lastBytes: () => number }> {
  const socket: Socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  stops.push(() => socket.close());
  let last = 0;
  socket.on('message', (packet) => {
    // Not RTCP, RFC 5761 section 4.
    if (packet[1]! >= 192 && packet[1]! <= 223) return;
    const words = (packet[0]! & 0x10) === 0 ? 0 : 1 + packet.readUInt16BE(14);
    last = packet.length - 12 - 4 * words;
  });
  const transport: PlainTransport = await router.createPlainTransport({ listenInfo });
  await transport.connect({ ip: '127.0.0.1', port: socket.address().port });
  const consumer = await transport.consume({ producerId: id, rtpCapabilities: router.rtpCapabilities });
  return { consumer, lastBytes: () => last };
}

describe('a stream that crosses between the routers of a node', () => {
  test('consumers behind it have simulcast layers of their own, and its publisher answers their requests for key frames', async () => {
    const [from, to] = routers;
    const { producer, source } = await simulcast(from);
    const uses = await Promise.all(Array.from({ length: 5 }, () => links.use(producer, from, to)));
    expect(new Set(uses.map((use) => use.producer)).size).toBe(1);
    expect(links.size).toBe(1);
    expect(uses[0]!.producer).toMatchObject({ id: producer.id, type: 'simulcast' });
    const [low, high] = [await receive(to, uses[0]!.producer), await receive(to, uses[0]!.producer)];
    const shows = ({ lastBytes }: { lastBytes: () => number }, layer: number) =>
      waitFor(`layer ${layer}`, () => {
        if (lastBytes() !== SimulcastSource.payloadBytes(layer)) notYet(`the last packet has ${lastBytes()} bytes`);
      });
    await low.consumer.setPreferredLayers({ spatialLayer: 0 });
    await high.consumer.setPreferredLayers({ spatialLayer: 1 });
    await Promise.all([shows(low, 0), shows(high, 1)]);
    // Both change over, each at a key frame of the layer that it goes to.
    const before = [...source.requests];
    await low.consumer.setPreferredLayers({ spatialLayer: 1 });
    await high.consumer.setPreferredLayers({ spatialLayer: 0 });
    await Promise.all([shows(low, 1), shows(high, 0)]);
    for (const [layer, count] of before.entries()) expect(source.requests[layer]).toBeGreaterThan(count);
  });

  test('it ends with its producer, its consumers too, and pause and resume cross', async () => {
    const [from, to] = routers;
    const { producer } = await simulcast(from);
    const { producer: piped } = await links.use(producer, from, to);
    const { consumer } = await receive(to, piped);
    for (const paused of [true, false]) {
      await (paused ? producer.pause() : producer.resume());
      await waitFor('the consumer follows', () => {
        if (consumer.producerPaused !== paused) notYet(`paused is ${consumer.producerPaused}`);
      });
    }
    producer.close();
    await waitFor('the end of the consumer', () => consumer.closed || notYet('it is open'));
    expect(links.size).toBe(0);
  });

  test('what crosses while its producer, a router or the links are closed fails, and leaves no stream behind', async () => {
    const [from, to, other] = routers;
    const ends: ((producer: Producer) => void)[] = [
      (producer) => producer.close(),
      () => to.close(),
      () => killProcess(workers[2]!.pid),
      () => links.close(),
    ];
    for (const [index, end] of ends.entries()) {
      for (const turns of [0, 1, 3]) {
        if (index === 1) to.close();
        const target = index === 1 ? await workers[1]!.createRouter(routerOptions) : index === 2 ? other : to;
        const usable = target.closed ? await workers[1]!.createRouter(routerOptions) : target;
        const { producer } = await simulcast(from);
        const using = links.use(producer, from, usable);
        const outcome = using.then(
          (use) => use.producer,
          (error: { code?: string }) => error.code,
        );
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        if (index === 1) usable.close();
        else end(producer);
        const result = await outcome;
        if (typeof result === 'string') expect(['PUBLICATION_NOT_FOUND', 'NODE_UNAVAILABLE']).toContain(result);
        producer.close();
        await waitFor('no stream', () => links.size === 0 || notYet(`${links.size} cross`));
        if (index === 3) links = new RouterLinks();
        else if (!usable.closed && index !== 2) expect((await usable.dump()).mapProducerIdConsumerIds).toEqual([]);
      }
    }
  });

  test('the death of its worker ends the streams from there, and those from other workers continue', async () => {
    const [first, second, third] = routers;
    const [dead, alive] = [await simulcast(first), await simulcast(third)];
    const [ends, stays] = [
      await receive(second, (await links.use(dead.producer, first, second)).producer),
      await receive(second, (await links.use(alive.producer, third, second)).producer),
    ];
    await waitFor('packets', () => stays.lastBytes() > 0 || notYet('none'));
    killProcess(workers[0]!.pid);
    await waitFor('the end of one consumer', () => ends.consumer.closed || notYet('it is open'));
    expect(stays.consumer.closed).toBe(false);
    const [before] = await stays.consumer.getStats();
    await waitFor('more packets', async () => {
      const [now] = await stays.consumer.getStats();
      if (now!.packetCount < before!.packetCount + 10) notYet(`${now!.packetCount}`);
    });
    expect(links.size).toBe(1);
  });
});

describe('speakers of a room over two routers', () => {
  const reports: RoomEventPayload<'speakers'>['speakers'][] = [];
  const active: string[] = [];
  const level = { a: -110, b: -110 };
  /** Speech is louder than the noise in its pauses, which mediasoup compares it with. */
  const speech = (): ((level: number) => number) => {
    let packet = 0;
    return (loudness) => (packet++ % 40 < 30 ? loudness : -110);
  };
  const speeches = { a: speech(), b: speech() };
  let observed: [RouterSpeakers, RouterSpeakers];

  async function microphone(name: 'a' | 'b', router: Router, ssrc: number): Promise<Producer> {
    const transport = await router.createPlainTransport({ listenInfo, comedia: true });
    const payloadType = payloadTypeOf('audio/opus');
    const producer = await transport.produce({
      kind: 'audio',
      rtpParameters: {
        codecs: [{ mimeType: 'audio/opus', payloadType, clockRate: 48_000, channels: 2 }],
        encodings: [{ ssrc }],
        headerExtensions: [{ ...audioLevel }],
      },
      appData: { participantId: `pt_${name}` },
    });
    stops.push(startRtpSource(transport, { ssrc, payloadType }, undefined, () => speeches[name](level[name])));
    return producer;
  }

  beforeEach(async () => {
    reports.length = active.length = 0;
    const detector = new SpeakerDetector({
      speakers: (speakers) => reports.push(speakers),
      activeSpeaker: (participantId) => active.push(participantId),
    });
    const [first, second] = routers;
    observed = [await detector.observe(first), await detector.observe(second)];
    const [a, b] = [await microphone('a', first, 11), await microphone('b', second, 12)];
    await observed[0].addOwn(a);
    await observed[1].addOwn(b);
    await observed[1].addPiped((await links.use(a, first, second)).producer);
    await observed[0].addPiped((await links.use(b, second, first)).producer);
  });

  test('levels of both are reported together, the loudest first, and the active speaker is announced once by its own router', async () => {
    level.a = -20;
    level.b = -40;
    await waitFor('both speak', () => {
      const ids = reports.at(-1)?.map(({ participantId }) => participantId) ?? [];
      if (ids.join() !== 'pt_a,pt_b') notYet(ids.join());
    });
    level.b = -110;
    await waitFor('a is the active speaker', () => active.at(-1) === 'pt_a' || notYet(active.join()));
    level.a = -110;
    level.b = -15;
    await waitFor('b is the active speaker', () => active.at(-1) === 'pt_b' || notYet(active.join()), {
      timeoutMs: 15_000,
    });
    for (const [index, id] of active.entries()) expect(id).not.toBe(active[index - 1]);
    await waitFor('only b speaks', () => {
      const ids = reports.at(-1)!.map(({ participantId }) => participantId);
      if (ids.join() !== 'pt_b') notYet(ids.join());
    });
  });

  test('the speakers of a worker that dies end, those of others stay', async () => {
    level.a = level.b = -20;
    await waitFor('both speak', () => reports.at(-1)?.length === 2 || notYet('not both'));
    killProcess(workers[0]!.pid);
    await waitFor('only b speaks', () => {
      const ids = reports.at(-1)!.map(({ participantId }) => participantId);
      if (ids.join() !== 'pt_b') notYet(ids.join());
    });
  });
});
