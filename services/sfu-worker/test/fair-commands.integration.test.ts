import 'reflect-metadata';
import { memoryBackplane } from '@flotilla/backplane';
import { CommandBus, RabbitMqCommandTransport } from '@flotilla/bus';
import { maxRequestsInFlight, Room, type RtpParameters, sfuQueue } from '@flotilla/contracts';
import { routerRtpCapabilities } from '@flotilla/media';
import { createLogger, loadConfig, nestLogger } from '@flotilla/runtime';
import { joinAs, newcomer, testBrokers, uniqueName } from '@flotilla/testkit';
import { NestFactory } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeConfig, SfuWorkerModule } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const room = Room.parse({ id: 'rm_a', name: 'a', createdAt: 1, emptyTimeoutSeconds: 300 });
const queue = sfuQueue('nd_a');
/** Several times as many as the node accepts of one session. */
const attacks = 4 * maxRequestsInFlight;
const publicationsOfRoom = 16;

let ssrc = 1000;
const audio = (): RtpParameters => ({
  mid: String(++ssrc),
  codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }],
  encodings: [{ ssrc }],
});

let bus: CommandBus;
let backplane: ReturnType<typeof memoryBackplane>;
let stop: () => Promise<void>;

beforeAll(async () => {
  const namespace = uniqueName('t');
  const transport = await RabbitMqCommandTransport.connect({ url: testBrokers().amqpUrl, namespace, log });
  bus = new CommandBus(transport, log);
  backplane = { ...memoryBackplane(log), bus };
  await backplane.store.rooms.create(room);
  const env = { FLOTILLA_NODE_ID: 'nd_a', FLOTILLA_SFU_WORKERS: '1', FLOTILLA_DRAIN_SECONDS: '0' };
  const config = loadConfig(nodeConfig, env);
  const module = SfuWorkerModule.register({ config, backplane, log });
  const app = await NestFactory.createApplicationContext(module, { logger: nestLogger(log) });
  stop = async () => {
    await app.close();
    await bus.close();
  };
});
afterAll(() => stop());

async function enter() {
  const { sessionId, participantId, ...request } = newcomer(room.id);
  await joinAs(backplane.store, { sessionId, participantId, ...request });
  const rtpCapabilities = routerRtpCapabilities as never;
  const payload = { roomId: room.id, sessionId, participantId, rtpCapabilities, subscribe: false };
  const opened = await bus.call(queue, 'sfu.open_session', payload);
  return { roomId: room.id, sessionId, participantId, transportId: opened.recv.id };
}

async function publish({ roomId, sessionId }: { roomId: string; sessionId: string }): Promise<string> {
  const request = { kind: 'audio', source: 'microphone', muted: false, rtpParameters: audio() } as const;
  return (await bus.call(queue, 'sfu.publish', { roomId, sessionId, ...request })).publication.id;
}

/** Sends the attack, then the honest command. Returns the attack's outcomes, and how many commands of it succeeded before the honest one. */
async function beside(
  attack: (index: number) => Promise<unknown>,
  honest: () => Promise<unknown>,
): Promise<{ outcomes: string[]; before: number }> {
  let succeeded = 0;
  const attacking = Array.from({ length: attacks }, async (_, index) => {
    try {
      await attack(index);
      succeeded++;
      return 'ok';
    } catch (error) {
      return (error as { code: string }).code;
    }
  });
  await honest();
  const before = succeeded;
  return { outcomes: await Promise.all(attacking), before };
}

const count = (outcomes: readonly string[], outcome: string): number =>
  outcomes.filter((each) => each === outcome).length;

describe('an SFU node with a session that sends many commands at once', () => {
  test.each(['restart_ice', 'subscribe and unsubscribe', 'open_session'])(
    'another session of the room is muted before the %s commands are carried out',
    async (which) => {
      const [attacker, honest] = [await enter(), await enter()];
      const publicationIds = await Promise.all(Array.from({ length: publicationsOfRoom }, () => publish(honest)));
      const { roomId, sessionId, participantId, transportId } = attacker;
      const attack = (index: number): Promise<unknown> => {
        if (which === 'restart_ice') return bus.call(queue, 'sfu.restart_ice', { roomId, sessionId, transportId });
        if (which === 'open_session') {
          const rtpCapabilities = routerRtpCapabilities as never;
          const request = { roomId, sessionId, participantId, rtpCapabilities, subscribe: true };
          return bus.call(queue, 'sfu.open_session', request);
        }
        const type = index % 2 === 0 ? 'sfu.subscribe' : 'sfu.unsubscribe';
        return bus.call(queue, type, { roomId, sessionId, publicationIds });
      };
      const muted = { ...honest, publicationId: publicationIds[0]!, muted: true };
      const { outcomes, before } = await beside(attack, () => bus.call(queue, 'sfu.mute', muted));
      expect(count(outcomes, 'RATE_LIMITED')).toBeGreaterThan(0);
      expect(count(outcomes, 'ok')).toBeGreaterThanOrEqual(maxRequestsInFlight);
      // In the order of arrival, it would come after all that are accepted.
      expect(before).toBeLessThan(maxRequestsInFlight);
    },
  );

  test('another session is muted though its publication is named in the commands', async () => {
    const [attacker, honest] = [await enter(), await enter()];
    const publicationId = await publish(honest);
    const { roomId, sessionId } = attacker;
    const { outcomes } = await beside(
      () => bus.call(queue, 'sfu.mute', { roomId, sessionId, publicationId, muted: false }),
      () => bus.call(queue, 'sfu.mute', { ...honest, publicationId, muted: true }),
    );
    expect(count(outcomes, 'PUBLICATION_NOT_FOUND')).toBeGreaterThanOrEqual(maxRequestsInFlight);
    const [publication] = await backplane.store.rooms.publications(roomId, [publicationId]);
    expect(publication!.muted).toBe(true);
  });
});
