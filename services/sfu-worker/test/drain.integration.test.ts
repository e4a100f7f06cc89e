import 'reflect-metadata';
import { Room, sfuQueue } from '@flotilla/contracts';
import { createLogger, loadConfig, nestLogger } from '@flotilla/runtime';
import { memoryFleet } from '@flotilla/store';
import { joinAs, mediaWorkersOf, newcomer, notYet, waitFor } from '@flotilla/testkit';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { nodeConfig, SfuWorkerModule } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const room = Room.parse({ id: 'rm_a', name: 'a', createdAt: 1, emptyTimeoutSeconds: 300 });
const queue = sfuQueue('nd_a');

let fleet: ReturnType<typeof memoryFleet>;
let stop: () => Promise<void>;
const endProcess = vi.fn<() => void>();

async function startNode(settings: Record<string, string> = {}, ownProcess = true): Promise<void> {
  const env = { FLOTILLA_NODE_ID: 'nd_a', FLOTILLA_SFU_WORKERS: '1', FLOTILLA_DRAIN_SECONDS: '0', ...settings };
  const app = await NestFactory.createApplicationContext(
    SfuWorkerModule.register({
      config: loadConfig(nodeConfig, env),
      fleet,
      log,
      ...(ownProcess && { endProcess }),
    }),
    { logger: nestLogger(log) },
  );
  stop = () => app.close();
}

beforeEach(async () => {
  endProcess.mockClear();
  fleet = memoryFleet(log);
  await fleet.store.rooms.create(room);
});
afterEach(() => stop());

/** Somebody with media on the node, and how they go. */
async function somebody(): Promise<() => Promise<unknown>> {
  const { sessionId, participantId, ...request } = newcomer(room.id);
  await joinAs(fleet.store, { sessionId, participantId, ...request });
  const payload = { roomId: room.id, sessionId, participantId, rtpCapabilities: {}, subscribe: true };
  await fleet.bus.call(queue, 'sfu.open_session', payload);
  return () => fleet.store.rooms.leave(room.id, participantId, 'left');
}

const order = (state: 'draining' | 'active', drainSeconds?: number) =>
  fleet.bus.call(queue, 'sfu.cordon', { state, drainSeconds });
const progress = async () => (await fleet.store.nodes.list())[0]?.drain;
const left = (count: number) =>
  waitFor(`${count} are left`, async () => {
    const drain = await progress();
    if (drain?.left !== count) notYet(JSON.stringify(drain));
  });
const ended = () => waitFor('the process ends', () => endProcess.mock.calls.length > 0 || notYet('it goes on'));

describe('a node that is ordered to drain', () => {
  test('says how far it is, and ends when nobody is left', async () => {
    await startNode();
    const [one, other] = [await somebody(), await somebody()];
    await order('draining');
    expect(await progress()).toMatchObject({ sessions: 2, left: 2 });
    await one();
    await left(1);
    expect(endProcess).not.toHaveBeenCalled();
    await other();
    await ended();
    expect(endProcess).toHaveBeenCalledTimes(1);
  });

  test('ends at the deadline, whoever is left', async () => {
    await startNode();
    await somebody();
    await order('draining', 1);
    await ended();
    expect(await progress()).toMatchObject({ left: 1 });
  });

  test('goes on living when it is called off, and may be drained again', async () => {
    await startNode();
    const leave = await somebody();
    await order('draining');
    await order('active');
    expect(await progress()).toBeUndefined();
    await leave();
    const stay = await somebody();
    await order('draining');
    expect(await progress()).toMatchObject({ sessions: 1, left: 1 });
    expect(endProcess).not.toHaveBeenCalled();
    await stay();
    await ended();
  });

  test('stays, empty, where the process is not its own', async () => {
    await startNode({}, false);
    const leave = await somebody();
    await order('draining');
    await leave();
    await left(0);
    expect(await order('active')).toEqual({ state: 'active' });
    await somebody();
  });
});

describe('a node asked to die', () => {
  test('loses a media worker when it may, and gets another', async () => {
    await startNode({ FLOTILLA_DRILLS: 'true' });
    const before = mediaWorkersOf(process.pid);
    expect(before).toHaveLength(1);
    expect(await fleet.bus.call(queue, 'sfu.kill_worker', {})).toEqual({ worker: 0 });
    await waitFor('another worker', () => {
      const now = mediaWorkersOf(process.pid);
      if (now.length !== 1 || now[0] === before[0]) notYet(`workers: ${now.join(', ')}`);
    });
    await expect(fleet.bus.call(queue, 'sfu.kill_worker', { worker: 7 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('refuses where drills are off, and says what turns them on', async () => {
    await startNode();
    for (const command of ['sfu.kill_worker', 'sfu.kill_node'] as const)
      await expect(fleet.bus.call(queue, command, {})).rejects.toMatchObject({
        code: 'DRILL_REFUSED',
        message: expect.stringContaining('FLOTILLA_DRILLS=true') as string,
      });
  });

  test('does not take the process of others along', async () => {
    await startNode({ FLOTILLA_DRILLS: 'true' }, false);
    await expect(fleet.bus.call(queue, 'sfu.kill_node', {})).rejects.toMatchObject({
      code: 'DRILL_REFUSED',
      message: expect.stringContaining('npm run fleet') as string,
    });
  });
});
