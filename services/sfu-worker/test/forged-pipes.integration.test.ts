import 'reflect-metadata';
import { memoryBackplane } from '@flotilla/backplane';
import { Room, sfuQueue } from '@flotilla/contracts';
import { MediaNode } from '@flotilla/media';
import { createLogger, loadConfig, nestLogger } from '@flotilla/runtime';
import { joinAs, newcomer, nodeReport } from '@flotilla/testkit';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodeConfig, SfuWorkerModule } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const room = Room.parse({ id: 'rm_a', name: 'a', createdAt: 1, emptyTimeoutSeconds: 300 });
const queue = sfuQueue('nd_a');

let backplane: ReturnType<typeof memoryBackplane>;
let media: MediaNode;
let stop: () => Promise<void>;

beforeEach(async () => {
  backplane = memoryBackplane(log);
  await backplane.store.rooms.create(room);
  const env = { FLOTILLA_NODE_ID: 'nd_a', FLOTILLA_SFU_WORKERS: '1', FLOTILLA_DRAIN_SECONDS: '0' };
  const config = loadConfig(nodeConfig, env);
  const module = SfuWorkerModule.register({ config, backplane, log });
  const app = await NestFactory.createApplicationContext(module, { logger: nestLogger(log) });
  media = app.get(MediaNode);
  stop = () => app.close();
  const { sessionId, participantId, ...request } = newcomer(room.id);
  await joinAs(backplane.store, { sessionId, participantId, ...request });
  const payload = { roomId: room.id, sessionId, participantId, rtpCapabilities: {}, subscribe: true };
  await backplane.bus.call(queue, 'sfu.open_session', payload);
  const pipes = { ip: '127.0.0.2', ports: { min: 41_000, max: 41_999 }, probePort: 41_999 };
  await backplane.store.nodes.report(nodeReport('nd_b', { pipes }));
});
afterEach(() => stop());

const srtpParameters = { cryptoSuite: 'AEAD_AES_256_GCM', keyBase64: Buffer.alloc(44, 7).toString('base64') };
const openPipe = (toNode: string, ip: string, port: number) =>
  backplane.bus.call(queue, 'sfu.open_pipe', {
    roomId: room.id,
    toNode,
    endpoint: { ip, port, srtpParameters },
    publicationIds: [],
  });

describe('the endpoint in a command to open a pipe', () => {
  test.each([
    ['at another address than its node reports', 'nd_b', '192.0.2.1', 41_000, 'FORBIDDEN'],
    ['at another port than its node reports', 'nd_b', '127.0.0.2', 42_000, 'FORBIDDEN'],
    ['of a node that sends no heartbeats', 'nd_c', '127.0.0.2', 41_000, 'NODE_UNAVAILABLE'],
  ])('%s is refused, and nothing is sent there', async (_what, toNode, ip, port, code) => {
    await expect(openPipe(toNode, ip, port)).rejects.toMatchObject({ code });
    expect([...media.pipeReceivers]).toEqual([]);
  });

  test('an endpoint that its node reports is accepted', async () => {
    await openPipe('nd_b', '127.0.0.2', 41_000);
    expect([...media.pipeReceivers]).toEqual(['nd_b']);
  });

  test('a node reports where it receives pipes, and answers probes there', async () => {
    const report = await backplane.store.nodes.get('nd_a');
    expect(report!.pipes).toEqual({ ip: '127.0.0.1', probePort: expect.any(Number) as number });
  });
});
