import 'reflect-metadata';
import {
  type CommandType,
  type MediaSessionParameters,
  newId,
  participantIdOf,
  roomGrants,
  sfuQueue,
} from '@flotilla/contracts';
import { createLogger, nestLogger } from '@flotilla/runtime';
import { nodeConfig, SfuWorkerModule } from '@flotilla/sfu-worker';
import { memoryBackplane } from '@flotilla/backplane';
import { roomIdOf } from '@flotilla/store';
import { NestFactory } from '@nestjs/core';
import { receivable, serve, type Side } from './serve.ts';

const nodeId = 'nd_bench';
const name = 'bench';
const roomId = roomIdOf(name, undefined);

/** An SFU node as deployed, with heartbeat, statistics, active speakers and commands, over an in-memory backplane. */
const log = createLogger({ service: 'bench', level: 'error', format: 'json' });
const backplane = memoryBackplane(log);
const config = nodeConfig.parse({
  FLOTILLA_NODE_ID: nodeId,
  FLOTILLA_SFU_WORKERS: '1',
  FLOTILLA_SFU_CAPACITY: '1000',
  FLOTILLA_DRAIN_SECONDS: '0',
});
const app = await NestFactory.createApplicationContext(SfuWorkerModule.register({ config, backplane, log }), {
  logger: nestLogger(log),
});
await backplane.store.rooms.create({
  id: roomId,
  name,
  createdAt: Date.now(),
  maxParticipants: 1000,
  spread: false,
  peerToPeer: false,
  acceptBridged: false,
  emptyTimeoutSeconds: 0,
});
const { rtpCapabilities } = (await backplane.store.nodes.list())[0]!;
const sessions = new Map<number, { roomId: string; sessionId: string; participantId: string }>();

const side: Side = {
  open: async (index): Promise<MediaSessionParameters> => {
    const sessionId = newId('session');
    const member = { roomId, sessionId, participantId: participantIdOf(sessionId) };
    sessions.set(index, member);
    const user = `user-${index}`;
    const grants = [...roomGrants];
    const claims = { room: roomId, grants, bridge: [], expiresAt: Date.now() + 3_600_000 };
    await backplane.store.sessions.open({ id: sessionId, userId: user, gatewayId: 'gw_bench', ...claims }, sessionId);
    const request = { userId: user, grants, name: user, joinedAt: Date.now(), excludeNodes: [], maxRooms: 1 };
    await backplane.store.rooms.join({ ...member, ...request });
    return backplane.bus.call(sfuQueue(nodeId), 'sfu.open_session', {
      ...member,
      rtpCapabilities: receivable(rtpCapabilities),
      subscribe: true,
    });
  },
  // As the gateway does: the client's request with the ids of its session.
  request: (index, type, payload) =>
    backplane.bus.call(sfuQueue(nodeId), `sfu.${type}` as CommandType, {
      muted: false,
      ...payload,
      ...sessions.get(index)!,
    }) as never,
  close: () => app.close(),
};
serve(side);
