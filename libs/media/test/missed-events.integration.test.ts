import { appendRoomEvent, maxStreamLength } from '@flotilla/bus';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LocalNodes, microphone } from './local-nodes.ts';

const [here, there] = ['nd_a', 'nd_b'] as const;

let nodes: LocalNodes;
beforeEach(async () => {
  nodes = await LocalNodes.start(here, there);
});
afterEach(() => nodes.close());

/** Appends more events than the stream keeps, before any is delivered. */
const flood = (): Promise<unknown> =>
  Promise.all(
    Array.from({ length: maxStreamLength * 2 }, () =>
      appendRoomEvent(nodes.backplane.events, nodes.roomId, {
        type: 'speakers',
        from: 'system',
        payload: { nodeId: here, speakers: [] },
      }),
    ),
  );

test('a node that missed events closes the media of removed sessions and publications, and keeps the rest', async () => {
  const { store } = nodes.backplane;
  const [ada, bob, cleo] = [await nodes.enter(here), await nodes.enter(here), await nodes.enter(there)];
  const { publications } = await nodes.room(here);
  const publish = async ({ sessionId }: { sessionId: string }) =>
    (await publications.publish(sessionId, microphone())).id;
  const kept = await publish(ada);
  const removed = await publish(ada);
  const bobs = await publish(bob);
  const { subscriptions } = await nodes.room(there);
  await subscriptions.subscribe(cleo.sessionId, [kept, removed, bobs]);

  await Promise.all([
    store.rooms.leave(nodes.roomId, bob.id, 'removed'),
    store.rooms.removePublication(nodes.roomId, ada.id, removed),
    flood(),
  ]);
  await waitFor('only what was kept remains', async () => {
    const [own, other] = [(await nodes.room(here)).counts, (await nodes.room(there)).counts];
    const found = `${own.sessions} sessions, ${own.producers} producers here, ${other.consumers} consumers there`;
    if (found !== '1 sessions, 1 producers here, 1 consumers there') notYet(found);
  });
  await subscriptions.subscribe(cleo.sessionId, [kept]);
  expect((await nodes.publications()).map(({ id }) => id)).toEqual([kept]);
});
