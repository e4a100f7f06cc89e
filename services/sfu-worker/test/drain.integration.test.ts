import 'reflect-metadata';
import { Room, sfuQueue } from '@flotilla/contracts';
import { createLogger, loadConfig, nestLogger } from '@flotilla/runtime';
import { memoryBackplane } from '@flotilla/backplane';
import { joinAs, mediaWorkersOf, newcomer, notYet, waitFor } from '@flotilla/testkit';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { nodeConfig, SfuWorkerModule } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const room = Room.parse({ id: 'rm_a', name: 'a', createdAt: 1, emptyTimeoutSeconds: 300 });
const queue = sfuQueue('nd_a');

let backplane: ReturnType<typeof memoryBackplane>;
let stop: () => Promise<void>;
const endProcess = vi.fn<() => void>();

async function startNode(settings: Record<string, string> = {}, ownProcess = true): Promise<void> {
  const env = { FLOTILLA_NODE_ID: 'nd_a', FLOTILLA_SFU_WORKERS: '1', FLOTILLA_DRAIN_SECONDS: '0', ...settings };
  const app = await NestFactory.createApplicationContext(
    SfuWorkerModule.register({
      config: loadConfig(nodeConfig, env),
      backplane,
      log,
      ...(ownProcess && { endProcess }),
    }),
    { logger: nestLogger(log) },
  );
  stop = () => app.close();
}

beforeEach(async () => {
  endProcess.mockClear();
  backplane = memoryBackplane(log);
  await backplane.store.rooms.create(room);
});
afterEach(() => stop());

/** Joins with media on the node. Returns a function that leaves. */
async function enter(): Promise<() => Promise<unknown>> {
  const { sessionId, participantId, ...request } = newcomer(room.id);
  await joinAs(backplane.store, { sessionId, participantId, ...request });
  const payload = { roomId: room.id, sessionId, participantId, rtpCapabilities: {}, subscribe: true };
  await backplane.bus.call(queue, 'sfu.open_session', payload);
  return () => backplane.store.rooms.leave(room.id, participantId, 'left');
}

const setState = (state: 'draining' | 'active', drainSeconds?: number) =>
  backplane.bus.call(queue, 'sfu.cordon', { state, drainSeconds });
const progress = async () => (await backplane.store.nodes.list())[0]?.drain;
const sessionsLeft = (count: number) =>
  waitFor(`${count} sessions left`, async () => {
    const drain = await progress();
    if (drain?.left !== count) notYet(JSON.stringify(drain));
  });
const ended = () =>
  waitFor('the end of the process', () => endProcess.mock.calls.length > 0 || notYet('it is running'));

describe('a node that drains', () => {
  test('it reports its progress, and its process ends when no session is left', async () => {
    await startNode();
    const [one, other] = [await enter(), await enter()];
    await setState('draining');
    expect(await progress()).toMatchObject({ sessions: 2, left: 2 });
    await one();
    await sessionsLeft(1);
    expect(endProcess).not.toHaveBeenCalled();
    await other();
    await ended();
    expect(endProcess).toHaveBeenCalledTimes(1);
  });

  test('its process ends at the deadline, with the sessions that are left', async () => {
    await startNode();
    await enter();
    await setState('draining', 1);
    await ended();
    expect(await progress()).toMatchObject({ left: 1 });
  });

  test('its process ends once after parallel commands to drain', async () => {
    await startNode();
    const leave = await enter();
    await Promise.all([setState('draining'), setState('draining'), setState('active'), setState('draining')]);
    await leave();
    await ended();
    expect(endProcess).toHaveBeenCalledTimes(1);
  });

  test('a cancelled drain leaves it running, and it can be drained again', async () => {
    await startNode();
    const leave = await enter();
    await setState('draining');
    await setState('active');
    expect(await progress()).toBeUndefined();
    await leave();
    const stay = await enter();
    await setState('draining');
    expect(await progress()).toMatchObject({ sessions: 1, left: 1 });
    expect(endProcess).not.toHaveBeenCalled();
    await stay();
    await ended();
  });

  test('its process does not end when other services run in it', async () => {
    await startNode({}, false);
    const leave = await enter();
    await setState('draining');
    await leave();
    await sessionsLeft(0);
    expect(await setState('active')).toEqual({ state: 'active' });
    await enter();
  });
});

describe('drills', () => {
  test('a killed media worker is replaced', async () => {
    await startNode({ FLOTILLA_DRILLS: 'true' });
    const before = mediaWorkersOf(process.pid);
    expect(before).toHaveLength(1);
    expect(await backplane.bus.call(queue, 'sfu.kill_worker', {})).toEqual({ worker: 0 });
    await waitFor('a new media worker', () => {
      const now = mediaWorkersOf(process.pid);
      if (now.length !== 1 || now[0] === before[0]) notYet(`workers: ${now.join(', ')}`);
    });
    await expect(backplane.bus.call(queue, 'sfu.kill_worker', { worker: 7 })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('a node without FLOTILLA_DRILLS refuses them and names the setting', async () => {
    await startNode();
    for (const command of ['sfu.kill_worker', 'sfu.kill_node'] as const)
      await expect(backplane.bus.call(queue, command, {})).rejects.toMatchObject({
        code: 'DRILL_REFUSED',
        message: expect.stringContaining('FLOTILLA_DRILLS=true') as string,
      });
  });

  test('a node that shares its process with other services refuses to be killed', async () => {
    await startNode({ FLOTILLA_DRILLS: 'true' }, false);
    await expect(backplane.bus.call(queue, 'sfu.kill_node', {})).rejects.toMatchObject({
      code: 'DRILL_REFUSED',
      message: expect.stringContaining('npm run fleet') as string,
    });
  });
});

describe('a node whose media worker hangs', () => {
  let worker: number;
  beforeEach(async () => {
    await startNode();
    worker = mediaWorkersOf(process.pid)[0]!;
    process.kill(worker, 'SIGSTOP');
  });
  afterEach(() => process.kill(worker, 'SIGCONT'));

  test('its heartbeats continue', async () => {
    const lastSeenAt = async (): Promise<number> => (await backplane.store.nodes.list())[0]!.lastSeenAt;
    const before = await lastSeenAt();
    await waitFor('three heartbeats', async () => (await lastSeenAt()) >= before + 1500 || notYet('fewer'));
  });

  test('it stops: commands that the worker never answers end at their deadline', async () => {
    const { sessionId, participantId, ...request } = newcomer(room.id);
    await joinAs(backplane.store, { sessionId, participantId, ...request });
    const payload = { roomId: room.id, sessionId, participantId, rtpCapabilities: {}, subscribe: true };
    await expect(backplane.bus.call(queue, 'sfu.open_session', payload, { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    await stop();
    stop = async () => undefined;
  });
});
