import type { Member } from '@flotilla/contracts';
import { newId } from '@flotilla/contracts';
import { notYet, participantClaims, waitFor } from '@flotilla/testkit';
import type { WebRtcTransport } from 'mediasoup/types';
import { afterEach, beforeEach, describe, test } from 'vitest';
import { LocalNodes, maxPublishBitrateOfNode, rtpCapabilities } from './local-nodes.ts';

const [here, there] = ['nd_a', 'nd_b'] as const;

let nodes: LocalNodes;
beforeEach(async () => {
  nodes = await LocalNodes.start(here, there);
});
afterEach(() => nodes.close());

/** The maximum bit rate that a node's media worker has for what a session sends. */
async function limitAt(nodeId: string, { sessionId }: Member): Promise<number | undefined> {
  const { send } = (await nodes.room(nodeId)).media(sessionId) as unknown as { send: WebRtcTransport };
  return (await send.getStats())[0]!.maxIncomingBitrate;
}

const limitBecomes = (nodeId: string, member: Member, expected: number): Promise<void> =>
  waitFor(`a limit of ${expected} bit/s on ${nodeId}`, async () => {
    const limit = await limitAt(nodeId, member);
    if (limit !== expected) notYet(`it is ${limit}`);
  });

/** Exchanges the token of a member. */
const refresh = ({ sessionId }: Member, maxPublishBitrate?: number): Promise<void> =>
  nodes.backplane.store.sessions.refresh(
    sessionId,
    `hash-of-${sessionId}`,
    { id: newId('session'), keptUntil: Date.now() + 60_000 },
    { ...participantClaims(), ...(maxPublishBitrate !== undefined && { maxPublishBitrate }) },
  );

describe('the maximum bit rate of what a session publishes', () => {
  test('it is that of the node unless the token has a lower one, and follows a change of the token at once', async () => {
    const member = await nodes.enter(here);
    await limitBecomes(here, member, maxPublishBitrateOfNode);
    await refresh(member, 500_000);
    await limitBecomes(here, member, 500_000);
    await refresh(member, 2 * maxPublishBitrateOfNode);
    await limitBecomes(here, member, maxPublishBitrateOfNode);
    await refresh(member, 300_000);
    await limitBecomes(here, member, 300_000);
    await refresh(member);
    await limitBecomes(here, member, maxPublishBitrateOfNode);
  });

  test('the node that a participant is moved to has the same one', async () => {
    const member = await nodes.enter(here);
    await refresh(member, 500_000);
    const { migrations } = nodes.backplane.store;
    const { id: participantId, sessionId } = member;
    const startedAt = Date.now();
    const common = { id: newId('migration'), roomId: nodes.roomId, sessionId, participantId, startedAt } as const;
    const request = { ...common, toNode: there, reason: 'manual', deadline: startedAt + 10_000 } as const;
    const { migration } = await migrations.begin(request);
    const media = { sessionId, participantId, rtpCapabilities, subscribe: true };
    await nodes.node(there).openSession(nodes.roomId, { ...media, migration });
    await limitBecomes(there, member, 500_000);
    await migrations.commit(nodes.roomId, participantId, migration.id);
    await refresh(member, 400_000);
    await limitBecomes(there, member, 400_000);
  });

  test('the lowest of those of the room, the token and the node counts', async () => {
    await nodes.backplane.store.rooms.delete(nodes.roomId);
    await nodes.createRoom({ maxPublishBitrate: 600_000 });
    const member = await nodes.enter(here);
    await limitBecomes(here, member, 600_000);
    await refresh(member, 500_000);
    await limitBecomes(here, member, 500_000);
    await refresh(member, 700_000);
    await limitBecomes(here, member, 600_000);
  });
});
