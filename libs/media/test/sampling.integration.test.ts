import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { PeerQuality } from '@flotilla/contracts';
import { notYet, waitFor } from '@flotilla/testkit';
import { createWorker } from 'mediasoup';
import type { PlainTransport, Producer, Router, Worker } from 'mediasoup/types';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { routerOptions } from '../src/codecs.ts';
import { NodeMeter } from '../src/quality/node-meter.ts';
import { RoomMeter } from '../src/quality/room-meter.ts';
import type { PooledWorker } from '../src/worker-pool.ts';
import { type Defect, startRtpSource } from './rtp-source.ts';

const listenInfo = { protocol: 'udp', ip: '127.0.0.1' } as const;
const owner = (name: string) => ({ sessionId: `ss_${name}`, participantId: `pt_${name}` });

let worker: Worker;
let router: Router;
let meter: RoomMeter;
const stops: (() => void)[] = [];

beforeEach(async () => {
  worker = await createWorker();
  router = await worker.createRouter(routerOptions);
  meter = new RoomMeter('rm_a', router);
});
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
  worker.close();
});

const peerOf = async (name: string): Promise<PeerQuality> =>
  (await meter.sample()).peers.find(({ sessionId }) => sessionId === `ss_${name}`) ??
  notYet(`${name} is not measured yet`);

const opusPayloadType = (): number =>
  router.rtpCapabilities.codecs!.find(({ mimeType }) => mimeType === 'audio/opus')!.preferredPayloadType;

/** The producer of a peer that publishes audio. */
async function publisher(name: string, defectOf?: (packet: number) => Defect): Promise<Producer> {
  const transport = await router.createPlainTransport({ listenInfo, comedia: true, appData: owner(name) });
  const ssrc = 1111;
  const payloadType = opusPayloadType();
  const producer = await transport.produce({
    kind: 'audio',
    rtpParameters: {
      codecs: [{ mimeType: 'audio/opus', payloadType, clockRate: 48_000, channels: 2 }],
      encodings: [{ ssrc }],
    },
  });
  stops.push(startRtpSource(transport, { ssrc, payloadType }, defectOf));
  return producer;
}

/** A transport to a peer that drops the packets it receives. */
async function receiver(name: string): Promise<PlainTransport> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  stops.push(() => socket.close());
  const transport = await router.createPlainTransport({ listenInfo, appData: owner(name) });
  await transport.connect({ ip: '127.0.0.1', port: socket.address().port });
  return transport;
}

describe('RoomMeter with a media worker', () => {
  test('a session without media has score 1 from its first transport to its last', async () => {
    const webRtcServer = await worker.createWebRtcServer({ listenInfos: [listenInfo] });
    const transports = await Promise.all(
      [1, 2].map(() => router.createWebRtcTransport({ webRtcServer, appData: owner('a') })),
    );
    const first = await meter.sample();
    expect(first.peers.map((peer) => PeerQuality.parse(peer))).toMatchObject([
      { ...owner('a'), roomId: 'rm_a', score: 1, group: 'stable', loss: 0, rttMs: 0 },
    ]);
    expect(first).toMatchObject({ packetsPerSecond: 0, bitsPerSecond: 0 });
    transports[0]!.close();
    expect((await meter.sample()).peers).toHaveLength(1);
    transports[1]!.close();
    expect(await meter.sample()).toEqual({ peers: [], packetsPerSecond: 0, bitsPerSecond: 0 });
  });

  test('a loss of one packet in five is measured as 15 to 25 %', async () => {
    await publisher('a', (packet) => ({ lost: packet % 5 === 4 }));
    const { score, group } = await waitFor('the loss is measured', async () => {
      const peer = await peerOf('a');
      return peer.loss > 0.15 && peer.loss < 0.25 ? peer : notYet(`it is ${peer.loss}`);
    });
    expect(score).toBeLessThan(1);
    expect(group).toBe('stable');
  });

  test('timestamps that deviate by 30 ms in every other packet give a jitter of 25 to 50 ms', async () => {
    await publisher('a', (packet) => ({ offMs: packet % 2 === 0 ? 30 : 0 }));
    await waitFor('the jitter is measured', async () => {
      const { jitterMs } = await peerOf('a');
      if (jitterMs < 25 || jitterMs > 50) notYet(`it is ${jitterMs} ms`);
    });
  });

  test('traffic counts received packets and every copy that is sent', async () => {
    const producer = await publisher('a');
    for (const name of ['b', 'c', 'd']) {
      const transport = await receiver(name);
      await transport.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
    }
    await waitFor('50 packets a second in and 150 out', async () => {
      const { packetsPerSecond, bitsPerSecond, peers } = await meter.sample();
      if (packetsPerSecond < 170 || packetsPerSecond > 230) notYet(`${packetsPerSecond} packets a second`);
      if (bitsPerSecond < 200 * 80 * 8) notYet(`${bitsPerSecond} bits a second`);
      expect(peers).toHaveLength(4);
    });
  });

  test('a dead worker has no samples', async () => {
    await publisher('a');
    const pooled = { index: 0, worker } as PooledWorker;
    const node = new NodeMeter();
    expect((await node.sample([{ worker: pooled, meter }])).peers).toHaveLength(1);
    process.kill(worker.pid, 'SIGKILL');
    await waitFor('the end of the worker', () => worker.died || notYet('it is running'));
    expect((await node.sample([{ worker: pooled, meter }])).peers).toEqual([]);
  });

  test('a worker that hangs does not delay the next samples, and is measured again when it continues', async () => {
    await publisher('a');
    const pooled = { index: 0, worker } as PooledWorker;
    const node = new NodeMeter();
    process.kill(worker.pid, 'SIGSTOP');
    expect((await node.sample([{ worker: pooled, meter }])).peers).toEqual([]);
    expect((await node.sample([{ worker: pooled, meter }])).peers).toEqual([]);
    process.kill(worker.pid, 'SIGCONT');
    await waitFor('a sample of the worker', async () => {
      const { peers } = await node.sample([{ worker: pooled, meter }]);
      if (peers.length !== 1) notYet('there is none');
    });
  });
});
