import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { FlotillaError, type PublicationRecord, migrationLingerMs } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { notYet, waitFor } from '@flotilla/testkit';
import { createWorker } from 'mediasoup';
import type { Consumer, PlainTransport, Producer, Router, Worker } from 'mediasoup/types';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { routerOptions } from '../src/codecs.ts';
import { RoomLayers } from '../src/layers/room-layers.ts';
import { IncomingPipe } from '../src/pipes/incoming-pipe.ts';
import { OutgoingPipe } from '../src/pipes/outgoing-pipe.ts';
import type { LinkUse } from '../src/router-links.ts';
import { openPipeTransport, type PeerNodes } from '../src/pipes/pipe-transport.ts';
import { VideoSource } from './rtp-source.ts';

const log = createLogger({ service: 'test', level: 'error' });
const listen = { ip: '127.0.0.1' };
const listenInfo = { protocol: 'udp', ip: '127.0.0.1' } as const;

/** The publisher is on the first node; each node is a media worker. */
describe('pipes of a room on three nodes', () => {
  let workers: Worker[];
  let routers: Router[];
  let entrance: PlainTransport;
  let source: VideoSource;
  let publication: PublicationRecord;
  let producer: Producer;
  let incoming: IncomingPipe[];
  const outgoing = new Map<string, OutgoingPipe>();
  const stops: (() => void)[] = [];

  const useProducer = async (publicationId: string): Promise<LinkUse> => {
    if (publicationId === publication.id) return { producer, release: () => undefined };
    throw new FlotillaError('PUBLICATION_NOT_FOUND');
  };
  /** Publications that were added to pipes that are open. */
  const added: string[] = [];
  /** Commands of the other nodes to the first. */
  const first: PeerNodes = {
    openPipe: async (_node, { toNode, endpoint: remote, publicationIds }) => {
      const { pipe, endpoint } = await OutgoingPipe.open({
        router: routers[0]!,
        listen,
        remote,
        layers: new RoomLayers(),
        onIdle: () => outgoing.delete(toNode),
      });
      outgoing.set(toNode, pipe);
      return { endpoint, publications: await pipe.addAll(publicationIds, useProducer) };
    },
    pipePublication: (_node, { toNode, publicationId }) => {
      added.push(publicationId);
      return outgoing.get(toNode)!.add(publicationId, () => useProducer(publicationId));
    },
    unpipePublication: async (_node, { toNode, publicationId }) => {
      await outgoing.get(toNode)?.remove(publicationId);
      return {};
    },
    subscribedLayers: async () => ({}),
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
          layers: new RoomLayers(),
          onIdle: () => undefined,
          log,
        }),
    );
  });
  afterEach(() => {
    source.stop();
    for (const stop of stops.splice(0)) stop();
    for (const worker of workers) worker.close();
    outgoing.clear();
    added.length = 0;
  });

  /** A consumer on the node. */
  async function subscribe(index: number): Promise<Consumer> {
    const pipe = incoming[index - 1];
    const { id: producerId } = pipe ? (await pipe.use(publication)).producer : producer;
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    stops.push(() => socket.close());
    const transport = await routers[index]!.createPlainTransport({ listenInfo });
    await transport.connect({ ip: '127.0.0.1', port: socket.address().port });
    return transport.consume({ producerId, rtpCapabilities: routers[index]!.rtpCapabilities });
  }

  const subscribeAll = (): Promise<Consumer[]> => Promise.all([0, 0, 0, 1, 1, 1, 1, 2, 2, 2].map(subscribe));

  /** Waits until each has received some frames. */
  const receivedByAll = (consumers: readonly Consumer[]): Promise<void> =>
    waitFor('frames at all consumers', async () => {
      for (const consumer of consumers) {
        const [stats] = await consumer.getStats();
        if (stats!.packetCount < 10) notYet(`one received ${stats!.packetCount} packets`);
      }
    });

  test('a publication crosses each link once, however many sessions subscribe to it', async () => {
    const consumers = await subscribeAll();
    await receivedByAll(consumers);
    const { transportIds } = await routers[0]!.dump();
    // The publisher, three subscribers here, and a pipe to each of the two other nodes.
    expect(transportIds).toHaveLength(6);
    const links = await Promise.all(
      [1, 2].map(async (index) => (await routers[index]!.dump()).mapProducerIdConsumerIds),
    );
    expect(links.map((producers) => producers.map(({ key, values }) => [key, values.length]))).toEqual([
      [[producer.id, 4]],
      [[producer.id, 3]],
    ]);
  });

  test('a pipe opens with the publications that are requested meanwhile, later ones are added', async () => {
    const [pipe] = incoming;
    const [missing, ...uses] = await Promise.allSettled([
      pipe!.use({ ...publication, id: 'pub_missing' }),
      pipe!.use(publication),
      pipe!.use(publication),
    ]);
    expect(uses).toMatchObject(uses.map(() => ({ value: { producer: { id: producer.id } } })));
    expect(missing).toMatchObject({ reason: { code: 'PUBLICATION_NOT_FOUND' } });
    // It failed when the pipe was opened: the reason is that of a request of its own.
    expect(added).toEqual(['pub_missing']);
    await expect(pipe!.use({ ...publication, id: 'pub_later' })).rejects.toThrow();
    expect(added).toEqual(['pub_missing', 'pub_later']);
  });

  test('key frame requests of all nodes reach the publisher as one until it answers', async () => {
    const consumers = await subscribeAll();
    await receivedByAll(consumers);
    const requestAll = async (): Promise<void> => {
      source.answers = false;
      const { requests } = source;
      await Promise.all(consumers.map((consumer) => consumer.requestKeyFrame()));
      await waitFor('a request at the publisher', () => source.requests > requests || notYet('none arrived'));
      // Other requests would arrive before these frames leave.
      const { frames } = source;
      await waitFor('more frames', () => source.frames > frames + 10 || notYet(`${source.frames - frames}`));
      expect(source.requests - requests).toBe(1);
      source.answers = true;
      await waitFor(
        'frames after the key frame',
        () => source.frames > frames + 30 || notYet(`${source.frames - frames}`),
      );
    };
    await requestAll();
    await requestAll();
  });

  test('a late event about the previous producer does not end the current one', async () => {
    const consumer = await subscribe(1);
    const [pipe] = incoming;
    await pipe!.update({ ...publication, producerId: randomUUID() });
    await pipe!.update(publication);
    const { frames } = source;
    const lingerFrames = migrationLingerMs / 33 + 10;
    await waitFor('the end of the linger time', () => source.frames > frames + lingerFrames || notYet('not yet'));
    expect(consumer.closed).toBe(false);
    expect(pipe!.size).toBe(1);
  });

  test('an event about a producer that is being requested does not end it, whatever the request knew', async () => {
    const [pipe] = incoming;
    const using = pipe!.use({ ...publication, producerId: randomUUID() });
    void pipe!.update(publication);
    const { producer: piped, isLost } = await using;
    const { frames } = source;
    const lingerFrames = migrationLingerMs / 33 + 10;
    await waitFor('the end of the linger time', () => source.frames > frames + lingerFrames || notYet('not yet'));
    expect([piped.closed, isLost()]).toEqual([false, false]);
  });

  test('a request that names another producer gives the previous one up', async () => {
    const [pipe] = incoming;
    const first = await pipe!.use(publication);
    const second = await pipe!.use({ ...publication, producerId: randomUUID() });
    expect([first.producer.closed, first.isLost()]).toEqual([true, true]);
    expect([second.producer.closed, second.isLost()]).toEqual([false, false]);
  });

  test('what arrives through a pipe that is opened again is lost, its node may have closed its end', async () => {
    const [pipe] = incoming;
    const first = await pipe!.use(publication);
    // As when the media worker that the pipe began at has died.
    outgoing.set('nd_2', {
      add: () => Promise.reject(new FlotillaError('MEDIA_NOT_OPEN')),
    } as unknown as OutgoingPipe);
    const later = pipe!.use({ ...publication, id: 'pub_later' });
    await expect(later).rejects.toMatchObject({ code: 'PUBLICATION_NOT_FOUND' });
    expect([first.producer.closed, first.isLost()]).toEqual([true, true]);
  });

  test('the sending end is checked again while its node does not answer, and its publications are lost when it is closed', async () => {
    const [pipe] = incoming;
    const { isLost } = await pipe!.use(publication);
    const open = outgoing.get('nd_2')!;
    const answers: FlotillaError[] = [new FlotillaError('DEADLINE_EXCEEDED'), new FlotillaError('MEDIA_NOT_OPEN')];
    outgoing.set('nd_2', { add: () => Promise.reject(answers.shift()) } as unknown as OutgoingPipe);
    await pipe!.checkSender();
    expect(isLost()).toBe(false);
    await waitFor('the loss of the pipe', () => isLost() || notYet(`${answers.length} answers left`));
    open.close();
  });

  test('a node that has no end of the pipe to offer is unavailable, which is not the loss of the own media', async () => {
    const refusing = new IncomingPipe({
      roomId: 'rm_a',
      fromNode: 'nd_1',
      ownNode: 'nd_3',
      router: routers[2]!,
      listen,
      peers: { ...first, openPipe: () => Promise.reject(new FlotillaError('MEDIA_NOT_OPEN')) },
      layers: new RoomLayers(),
      onIdle: () => undefined,
      log,
    });
    await expect(refusing.use(publication)).rejects.toMatchObject({ code: 'NODE_UNAVAILABLE' });
  });

  test('a use that waits for a node that does not answer is refused soon after another producer is announced', async () => {
    const asked = Promise.withResolvers<void>();
    const silent = new IncomingPipe({
      roomId: 'rm_a',
      fromNode: 'nd_1',
      ownNode: 'nd_3',
      router: routers[2]!,
      listen,
      peers: {
        ...first,
        openPipe: () => {
          asked.resolve();
          return new Promise(() => undefined);
        },
      },
      layers: new RoomLayers(),
      onIdle: () => undefined,
      log,
    });
    const using = silent.use(publication);
    await asked.promise;
    await silent.update({ ...publication, producerId: randomUUID() });
    await expect(using).rejects.toMatchObject({ code: 'NODE_UNAVAILABLE' });
  });

  test('a use whose producer was replaced is lost after the linger time', async () => {
    const [pipe] = incoming;
    const { producer: piped, isLost } = await pipe!.use(publication);
    await pipe!.update({ ...publication, producerId: randomUUID() });
    expect(isLost()).toBe(false);
    await waitFor('the end of the linger time', () => piped.closed || notYet('its producer is open'));
    expect(isLost()).toBe(true);
  });

  test('a publication without subscribers stops crossing after some seconds', async () => {
    const { release } = await incoming[0]!.use(publication);
    expect(outgoing.get('nd_2')!.size).toBe(1);
    release();
    await waitFor('it is released', () => outgoing.size === 0 || notYet('it still crosses'), { timeoutMs: 10_000 });
    expect(incoming[0]!.size).toBe(0);
  });

  test('a pipe that was opened for a publication that had ended is closed', async () => {
    await expect(incoming[0]!.use({ ...publication, id: 'pub_ended' })).rejects.toMatchObject({
      code: 'PUBLICATION_NOT_FOUND',
    });
    await waitFor('its sending end is idle', () => outgoing.size === 0 || notYet('it is open'));
  });

  test('pipes listen on the ports of their range, and opening one fails with NO_CAPACITY when all are taken', async () => {
    const ports = { min: 47_100, max: 47_102 };
    const open = (index: number) => openPipeTransport(routers[index]!, { ...listen, ports });
    // Each media worker is a process of its own.
    const endpoints = [await open(0), await open(1), await open(0)].map(({ endpoint }) => endpoint);
    expect(new Set(endpoints.map(({ port }) => port))).toEqual(new Set([47_100, 47_101, 47_102]));
    await expect(open(1)).rejects.toMatchObject({
      code: 'NO_CAPACITY',
      message: 'the 3 ports for media of other nodes are taken: widen FLOTILLA_SFU_PIPE_PORTS',
    });
  });
});
