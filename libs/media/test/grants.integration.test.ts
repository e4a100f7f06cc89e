import { type Grant, newId, type RoomGrant, roomGrants } from '@flotilla/contracts';
import { newcomer, notYet, participantClaims, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalNodes, microphone } from './local-nodes.ts';

const [here, there] = ['nd_a', 'nd_b'] as const;

let nodes: LocalNodes;
beforeEach(async () => {
  nodes = await LocalNodes.start(here, there);
});
afterEach(() => nodes.close());

const hashOf = (sessionId: string): string => `hash-of-${sessionId}`;

/** A member with these grants, assigned to the node. Its media is not open. */
async function joinWith(nodeId: string, grants: Grant[]) {
  const { sessions, rooms } = nodes.backplane.store;
  const request = newcomer(nodes.roomId, newId('session'), nodeId === here ? [there] : [here]);
  const { sessionId, userId } = request;
  const session = { id: sessionId, userId, gatewayId: 'gw_test', ...participantClaims(), grants };
  await sessions.open(session, hashOf(sessionId));
  return (await rooms.join(request)).member;
}

const setGrants = (sessionId: string, grants: RoomGrant[]) =>
  nodes.backplane.store.sessions.refresh(
    sessionId,
    hashOf(sessionId),
    { id: newId('session'), keptUntil: Date.now() + 60_000 },
    { ...participantClaims(), grants },
  );
const countsOf = async (nodeId: string) => (await nodes.room(nodeId)).counts;
const reach = (nodeId: string, expected: { producers: number; consumers: number }) =>
  waitFor(`${JSON.stringify(expected)} on ${nodeId}`, async () => {
    const { producers, consumers } = await countsOf(nodeId);
    if (producers !== expected.producers || consumers !== expected.consumers)
      notYet(`there are ${producers} producers and ${consumers} consumers`);
  });

describe('grants on an SFU node', () => {
  test('a participant without publish and subscribe gets no transports', async () => {
    await expect(nodes.open(here, await joinWith(here, ['data']))).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('a participant without publish cannot publish, one without subscribe receives nothing, on any node', async () => {
    const publisher = await nodes.enter(here);
    const { id } = await (await nodes.room(here)).publications.publish(publisher.sessionId, microphone());
    for (const nodeId of [here, there]) {
      const viewer = await joinWith(nodeId, ['subscribe']);
      const speaker = await joinWith(nodeId, ['publish']);
      expect((await nodes.open(nodeId, viewer)).subscriptions).toHaveLength(1);
      expect((await nodes.open(nodeId, speaker)).subscriptions).toEqual([]);
      const { publications, subscriptions } = await nodes.room(nodeId);
      await expect(publications.publish(viewer.sessionId, microphone())).rejects.toMatchObject({ code: 'FORBIDDEN' });
      await expect(subscriptions.subscribe(speaker.sessionId, [id])).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
    expect(await nodes.publications()).toMatchObject([{ id }]);
  });

  test('lost grants close producers and consumers on both nodes at once, and what is created meanwhile', async () => {
    const [ada, bob] = [await nodes.enter(here), await nodes.enter(there)];
    const [adas, bobs] = [(await nodes.room(here)).publications, (await nodes.room(there)).publications];
    const { id } = await adas.publish(ada.sessionId, microphone());
    await bobs.publish(bob.sessionId, microphone());
    await (await nodes.room(there)).subscriptions.subscribe(bob.sessionId, [id]);
    await reach(there, { producers: 1, consumers: 1 });
    const publishing = Array.from({ length: 5 }, () => adas.publish(ada.sessionId, microphone()));
    const [, ...results] = await Promise.allSettled([setGrants(ada.sessionId, ['subscribe']), ...publishing]);
    expect(results.length).toBe(5);
    await setGrants(bob.sessionId, ['data']);
    // All transports of bob are closed, and with them the room on this node.
    await waitFor('no media of bob', async () => {
      const room = await nodes.room(there).catch(() => undefined);
      if (room && room.counts.sessions > 0) notYet('his session is open');
    });
    await reach(here, { producers: 0, consumers: 0 });
    expect(await nodes.publications()).toEqual([]);
    expect((await nodes.dump(here)).producers).toEqual([]);
  });

  test('grants that are given back allow publishing and subscribing again', async () => {
    const [ada, bob] = [await nodes.enter(here), await nodes.enter(here)];
    const { publications, subscriptions } = await nodes.room(here);
    await setGrants(ada.sessionId, ['data', 'subscribe']);
    await setGrants(bob.sessionId, ['publish']);
    await setGrants(ada.sessionId, [...roomGrants]);
    await setGrants(bob.sessionId, [...roomGrants]);
    const { id } = await waitFor('the grant arrives', () =>
      publications.publish(ada.sessionId, microphone()).catch(() => notYet('publishing is refused')),
    );
    expect(await subscriptions.subscribe(bob.sessionId, [id])).toMatchObject({ failed: [], subscriptions: [{}] });
  });
});
