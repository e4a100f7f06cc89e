import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type PublicationRecord, migrationLingerMs } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { notYet, waitFor } from '@flotilla/testkit';
import { createWorker } from 'mediasoup';
import type { Consumer, PlainTransport, Producer, Router, Worker } from 'mediasoup/types';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { routerOptions } from '../src/codecs.ts';
import { IncomingPipe, OutgoingPipe, type PeerNodes } from '../src/pipes.ts';
import { VideoSource } from './rtp-source.ts';

const log = createLogger({ service: 'test', level: 'error' });
const listen = { ip: '127.0.0.1' };
const listenInfo = { protocol: 'udp', ip: '127.0.0.1' } as const;

/** A room over three nodes, with its publisher on the first; each node is a media worker of its own. */
describe('a room that spans three nodes', () => {
  let workers: Worker[];
  let routers: Router[];
  let entrance: PlainTransport;
  let source: VideoSource;
  let publication: PublicationRecord;
  let producer: Producer;
  let incoming: IncomingPipe[];
  const outgoing = new Map<string, OutgoingPipe>();
  const stops: (() => void)[] = [];

  /** The first node, as the others ask it. */
  const first: PeerNodes = {
    openPipe: async (_node, { toNode, endpoint: remote }) => {
      const { pipe, endpoint } = await OutgoingPipe.open(routers[0]!, listen, remote);
      outgoing.set(toNode, pipe);
      return { endpoint };
    },
    pipePublication: (_node, { toNode, publicationId }) => outgoing.get(toNode)!.add(publicationId, producer),
    unpipePublication: async (_node, { toNode, publicationId }) => {
      outgoing.get(toNode)!.remove(publicationId);
      return {};
    },
  };

  beforeEach(async () => {
    workers = await Promise.all([1, 2, 3].map(() => createWorker()));
    routers = await Promise.all(workers.map((worker) => worker.createRouter(routerOptions)));
    const payloadType = routers[0]!.rtpCapabilities.codecs!.find(
      ({ mimeType }) => mimeType === 'video/VP8',
    )!.preferredPayloadType;
    entrance = await routers[0]!.createPlainTransport({ listenInfo, comedia: true });
    producer = await entrance.produce({
      kind: 'video',
      rtpParameters: {
        codecs: [
          { mimeType: 'video/VP8', payloadType, clockRate: 90_000, rtcpFeedback: [{ type: 'nack', parameter: 'pli' }] },
        ],
        encodings: [{ ssrc: VideoSource.ssrc }],
      },
    });
    source = new VideoSource(entrance, payloadType);
    publication = {
      id: 'pub_a',
      participantId: 'pt_a',
      nodeId: 'nd_1',
      kind: 'video',
      source: 'camera',
      codec: 'video/VP8',
      muted: false,
      producerId: producer.id,
    };
    incoming = [1, 2].map(
      (index) =>
        new IncomingPipe({
          roomId: 'rm_a',
          fromNode: 'nd_1',
          ownNode: `nd_${index + 1}`,
          router: routers[index]!,
          listen,
          peers: first,
          log,
        }),
    );
  });
  afterEach(() => {
    source.stop();
    for (const stop of stops.splice(0)) stop();
    for (const worker of workers) worker.close();
    outgoing.clear();
  });

  /** Somebody on the node who watches. */
  async function watch(index: number): Promise<Consumer> {
    const pipe = incoming[index - 1];
    const { id: producerId } = pipe ? await pipe.producer(publication) : producer;
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    stops.push(() => socket.close());
    const transport = await routers[index]!.createPlainTransport({ listenInfo });
    await transport.connect({ ip: '127.0.0.1', port: socket.address().port });
    return transport.consume({ producerId, rtpCapabilities: routers[index]!.rtpCapabilities });
  }

  const watchAll = (): Promise<Consumer[]> => Promise.all([0, 0, 0, 1, 1, 1, 1, 2, 2, 2].map(watch));

  /** Waits until each has got some pictures. */
  const seenByAll = (consumers: readonly Consumer[]): Promise<void> =>
    waitFor('all see the picture', async () => {
      for (const consumer of consumers) {
        const [stats] = await consumer.getStats();
        if (stats!.packetCount < 10) notYet(`one has got ${stats!.packetCount} packets`);
      }
    });

  test('what is published crosses each link once, however many watch behind it', async () => {
    const consumers = await watchAll();
    await seenByAll(consumers);
    const { transportIds } = await routers[0]!.dump();
    // The publisher, three who watch here, and a pipe to each of the two other nodes.
    expect(transportIds).toHaveLength(6);
    const links = await Promise.all(
      [1, 2].map(async (index) => (await routers[index]!.dump()).mapProducerIdConsumerIds),
    );
    expect(links.map((producers) => producers.map(({ key, values }) => [key, values.length]))).toEqual([
      [[producer.id, 4]],
      [[producer.id, 3]],
    ]);
  });

  test('requests for a key frame from everywhere reach the publisher as one, until it has answered', async () => {
    const consumers = await watchAll();
    await seenByAll(consumers);
    const askAll = async (): Promise<void> => {
      source.answers = false;
      const { requests } = source;
      await Promise.all(consumers.map((consumer) => consumer.requestKeyFrame()));
      await waitFor('the publisher is asked', () => source.requests > requests || notYet('it is not'));
      // Whatever else was asked for has gone the same way by the time that more pictures have.
      const { frames } = source;
      await waitFor('more pictures went out', () => source.frames > frames + 10 || notYet(`${source.frames - frames}`));
      expect(source.requests - requests).toBe(1);
      source.answers = true;
      await waitFor('the answer went out', () => source.frames > frames + 30 || notYet(`${source.frames - frames}`));
    };
    await askAll();
    await askAll();
  });

  test('what is watched goes on though word of the producer before it comes late', async () => {
    const consumer = await watch(1);
    const [pipe] = incoming;
    pipe!.use(publication.id);
    await pipe!.update({ ...publication, producerId: randomUUID() });
    await pipe!.update(publication);
    const { frames } = source;
    const lingerFrames = migrationLingerMs / 33 + 10;
    await waitFor('it would have ended', () => source.frames > frames + lingerFrames || notYet('not yet'));
    expect(consumer.closed).toBe(false);
    expect(pipe!.size).toBe(1);
  });

  test('what nobody watches any more stops crossing', async () => {
    const [consumer] = [await watch(1)];
    await seenByAll([consumer]);
    const release = incoming[0]!.use(publication.id);
    consumer.close();
    release();
    await waitFor('it is given back', () => outgoing.get('nd_2')!.isIdle || notYet('it still comes'), {
      timeoutMs: 10_000,
    });
    expect(incoming[0]!.size).toBe(0);
  });
});
