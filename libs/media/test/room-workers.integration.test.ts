import { parseRoomEvents, roomStream } from '@flotilla/bus';
import { type Member, type RoomEvent, startOfStream } from '@flotilla/contracts';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { killProcess } from '../src/worker-pool.ts';
import { LocalNodes, microphone } from './local-nodes.ts';

const [here, there] = ['nd_a', 'nd_b'] as const;

let nodes: LocalNodes;
beforeEach(async () => {
  // Each session is one more than a worker may have before its rooms spread.
  nodes = await LocalNodes.startWith({ workers: 2, spreadLoad: 1 }, here, there);
});
afterEach(() => nodes.close());

const publish = async (nodeId: string, { sessionId }: Member, publicationId?: string) =>
  (await nodes.room(nodeId)).publications.publish(sessionId, microphone(publicationId));
const subscribe = async (nodeId: string, { sessionId }: Member, ...ids: string[]) =>
  (await nodes.room(nodeId)).subscriptions.subscribe(sessionId, ids);
const unsubscribe = async (nodeId: string, { sessionId }: Member, ...ids: string[]) =>
  (await nodes.room(nodeId)).subscriptions.unsubscribe(sessionId, ids);
const leave = ({ id }: Member) => nodes.backplane.store.rooms.leave(nodes.roomId, id, 'left');

async function events<T extends RoomEvent['type']>(type: T): Promise<RoomEvent<T>[]> {
  const entries = await nodes.backplane.events.readAfter(roomStream(nodes.roomId), startOfStream, 1000);
  if (entries === 'trimmed') throw new Error('the stream was trimmed');
  return parseRoomEvents(entries).flatMap(({ event }) => (event.type === type ? [event as RoomEvent<T>] : []));
}

/** The process id of the worker that has a session. */
async function workerOf(nodeId: string, { sessionId, id }: Member): Promise<number> {
  const room = await nodes.room(nodeId);
  const { send } = room.media(sessionId).transports;
  for (const { router, worker } of room.routers)
    if ((await router.dump()).transportIds.includes(send.id)) return worker.worker.pid;
  throw new Error(`no worker has ${id}`);
}

/** Kills a worker, and waits until its node knows. */
async function kill(nodeId: string, pid: number): Promise<void> {
  killProcess(pid);
  await waitFor('the worker is replaced', () => {
    if (nodes.node(nodeId).workerPids.includes(pid)) notYet('it is up');
  });
}

describe('a room on the two workers of a node', () => {
  test('sessions are spread, and a publication crosses once however many subscribe on the other worker', async () => {
    const publisher = await nodes.enter(here);
    const publications = [await publish(here, publisher), await publish(here, publisher)];
    const others = [];
    for (let number = 0; number < 5; number++) others.push(await nodes.enter(here, false));
    const ids = publications.map(({ id }) => id);
    // At once: requests for one stream share a pipe.
    const replies = await Promise.all(others.map((each) => subscribe(here, each, ...ids)));
    expect(replies.flatMap(({ failed }) => failed)).toEqual([]);
    const home = await workerOf(here, publisher);
    const workers = await Promise.all(others.map((each) => workerOf(here, each)));
    const away = workers.filter((pid) => pid !== home).length;
    expect(away).toBeGreaterThan(0);
    expect(away).toBeLessThan(5);
    const dumps = await nodes.dumps(here);
    // The same ids in both routers, so that a subscription names the producer that the room knows.
    const producerIds = publications.map(({ producerId }) => producerId).toSorted();
    expect(dumps.map(({ producers }) => producers.toSorted())).toEqual([producerIds, producerIds]);
    // Consumers of all subscribers, and one for each stream that crosses.
    const consumers = dumps.reduce((sum, each) => sum + each.consumers.length, 0);
    expect(consumers).toBe(2 * others.length + ids.length);
    expect(dumps.reduce((sum, { transports }) => sum + transports, 0)).toBe(2 * (1 + others.length) + 2);
  });

  test('a stream stops crossing some seconds after nobody subscribes to it there, and crosses again', async () => {
    const publisher = await nodes.enter(here);
    const { id, producerId } = await publish(here, publisher);
    const other = await nodes.enter(here, false);
    await subscribe(here, other, id);
    expect((await nodes.dump(here)).producers).toEqual([producerId, producerId]);
    await unsubscribe(here, other, id);
    await waitFor(
      'the stream does not cross',
      async () => {
        const { producers } = await nodes.dump(here);
        if (producers.length !== 1) notYet(`it has ${producers.length} producers`);
      },
      { timeoutMs: 10_000 },
    );
    expect((await nodes.dump(here)).consumers).toEqual([]);
    expect(await subscribe(here, other, id)).toMatchObject({ failed: [], subscriptions: [{ producerId }] });
  });

  test('mute crosses, and a removed publication ends on both workers', async () => {
    const publisher = await nodes.enter(here);
    const { id } = await publish(here, publisher);
    const other = await nodes.enter(here, false);
    await subscribe(here, other, id);
    const room = await nodes.room(here);
    for (const muted of [true, false]) {
      await room.publications.mute(publisher.sessionId, id, muted);
      await waitFor('the consumer follows', () => {
        const paused = room.media(other.sessionId).findConsumer(id)?.producerPaused;
        if (paused !== muted) notYet(`paused is ${paused}`);
      });
    }
    await room.publications.unpublish(publisher.sessionId, id);
    await waitFor('nothing is left of it', async () => {
      const { producers, consumers } = await nodes.dump(here);
      if (producers.length + consumers.length > 0) notYet(JSON.stringify({ producers, consumers }));
    });
  });

  test('a worker that dies costs only the sessions on it: the others keep transports, producers and consumers', async () => {
    const stays = await nodes.enter(here);
    const lost = await nodes.enter(here);
    const [kept, ended] = [await publish(here, stays), await publish(here, lost)];
    const home = await workerOf(here, stays);
    // On the worker that stays: receives one publication of each worker.
    let viewer = await nodes.enter(here, false);
    for (; (await workerOf(here, viewer)) !== home; viewer = await nodes.enter(here, false));
    await subscribe(here, viewer, kept.id, ended.id);
    const room = await nodes.room(here);
    const { transports } = room.media(stays.sessionId);
    const consumer = room.media(viewer.sessionId).findConsumer(kept.id)!;

    await kill(here, await workerOf(here, lost));
    const [event] = await waitFor('media_lost', async () => {
      const found = await events('media_lost');
      return found.length > 0 ? found : notYet('no event');
    });
    expect(event!.payload.participantIds).toContain(lost.id);
    expect(event!.payload.participantIds).not.toContain(stays.id);
    expect(event!.payload.participantIds).not.toContain(viewer.id);
    expect(room.media(stays.sessionId).transports).toEqual(transports);
    expect(room.media(stays.sessionId).findProducer(kept.id)!.closed).toBe(false);
    expect(consumer.closed).toBe(false);
    await waitFor('the lost stream ended', () => {
      if (room.media(viewer.sessionId).findConsumer(ended.id)) notYet('it is open');
    });

    // As its client does: the publication keeps its id.
    await nodes.open(here, lost, false);
    const again = await publish(here, lost, ended.id);
    expect(again.id).toBe(ended.id);
    expect(again.producerId).not.toBe(ended.producerId);
    expect(await subscribe(here, viewer, ended.id)).toMatchObject({
      failed: [],
      subscriptions: [{ producerId: again.producerId }],
    });
  });

  test('a room with sessions on no worker is closed, and opened again', async () => {
    const members = [await nodes.enter(here), await nodes.enter(here)];
    const room = await nodes.room(here);
    for (const pid of nodes.node(here).workerPids) killProcess(pid);
    await waitFor('the room is closed', () => room.closed || notYet('it is open'));
    await waitFor('new workers', () => nodes.node(here).workerPids.length === 2 || notYet('not two'));
    for (const member of members) expect((await nodes.open(here, member)).nodeId).toBe(here);
    expect(await nodes.room(here)).not.toBe(room);
  });

  test('a subscriber that leaves, its worker or its room, while its streams begin to cross leaves nothing behind', async () => {
    for (let round = 0; round < 6; round++) {
      const publisher = await nodes.enter(here);
      const ids = await Promise.all(Array.from({ length: 4 }, async () => (await publish(here, publisher)).id));
      const subscriber = await nodes.enter(here, false);
      const room = await nodes.room(here);
      const subscribing = subscribe(here, subscriber, ...ids);
      for (let turn = 0; turn < round; turn++) await new Promise(setImmediate);
      const ends = [
        () => leave(subscriber),
        async () => killProcess(await workerOf(here, subscriber)),
        async () => Promise.all([leave(publisher), leave(subscriber)]),
      ];
      await Promise.allSettled([subscribing, ends[round % ends.length]!()]);
      await Promise.allSettled([leave(publisher), leave(subscriber)]);
      await waitFor('the room is closed', () => room.closed || notYet('it is open'));
    }
    await waitFor('both workers have no routers', async () => {
      const { load } = await nodes.node(here).sample();
      if (load.workers.length !== 2 || load.workers.some(({ routers, consumers }) => routers + consumers > 0))
        notYet(JSON.stringify(load.workers));
    });
  });

  test('load is reported per worker', async () => {
    const publisher = await nodes.enter(here);
    const { id } = await publish(here, publisher);
    await subscribe(here, await nodes.enter(here, false), id);
    const { load } = await nodes.node(here).sample();
    expect(load).toMatchObject({ sessions: 2, consumers: 1, pipes: 0 });
    expect(load.workers.map(({ routers }) => routers)).toEqual([1, 1]);
    expect(load.workers.map(({ consumers }) => consumers).toSorted((a, b) => a - b)).toEqual([0, 1]);
  });
});

describe('a room on two nodes of two workers', () => {
  test('a publication of another node crosses the pipe once and continues to the other worker', async () => {
    const publisher = await nodes.enter(there);
    const { id, producerId } = await publish(there, publisher);
    const viewers = [await nodes.enter(here, false), await nodes.enter(here, false)];
    const replies = await Promise.all(viewers.map((each) => subscribe(here, each, id)));
    expect(replies.flatMap(({ failed }) => failed)).toEqual([]);
    expect((await nodes.dump(there)).consumers).toHaveLength(1);
    expect((await nodes.dump(here)).producers).toEqual([producerId, producerId]);
  });

  test('publications of both workers go to another node through one pipe', async () => {
    const publishers = [await nodes.enter(there), await nodes.enter(there)];
    expect(await workerOf(there, publishers[0]!)).not.toBe(await workerOf(there, publishers[1]!));
    const ids = [];
    for (const each of publishers) ids.push((await publish(there, each)).id);
    expect(await subscribe(here, await nodes.enter(here, false), ...ids)).toMatchObject({ failed: [] });
    expect((await nodes.node(there).sample()).load.pipes).toBe(1);
  });

  test('when the worker that receives from another node dies, a client on the other worker is asked to subscribe again', async () => {
    const publisher = await nodes.enter(there);
    const { id } = await publish(there, publisher);
    const [first, second] = [await nodes.enter(here, false), await nodes.enter(here, false)];
    // The pipe ends at one of them, and continues to the other.
    await Promise.all([first, second].map((each) => subscribe(here, each, id)));
    const room = await nodes.room(here);
    const pids = [await workerOf(here, first), await workerOf(here, second)];
    const entry = [...room.routers].find(({ worker }) => room.hasPipesOn(worker))!.worker.worker.pid;
    const survivor = entry === pids[0] ? second : first;
    const consumer = room.media(survivor.sessionId).findConsumer(id)!;
    await kill(here, entry);
    await waitFor('subscriptions_ended', async () => {
      const [event] = await events('subscriptions_ended');
      if (!event) notYet('no event');
      expect(event).toMatchObject({ only: [survivor.sessionId], payload: { nodeId: here, publicationIds: [id] } });
    });
    expect(consumer.closed).toBe(true);
    expect(await subscribe(here, survivor, id)).toMatchObject({ failed: [], subscriptions: [{ publicationId: id }] });
  });

  test('when the worker that sends to another node dies, clients there are asked to subscribe again to what continues', async () => {
    const publishers = [await nodes.enter(there), await nodes.enter(there)];
    const ids: string[] = [];
    for (const each of publishers) ids.push((await publish(there, each)).id);
    const viewer = await nodes.enter(here, false);
    await subscribe(here, viewer, ...ids);
    const room = await nodes.room(there);
    const exit = [...room.routers].find(({ worker }) => room.hasPipesOn(worker))!.worker.worker.pid;
    const isLost = (await workerOf(there, publishers[0]!)) === exit;
    const [kept] = isLost ? [ids[1]!] : [ids[0]!];
    await kill(there, exit);
    await waitFor('subscriptions_ended', async () => {
      const ended = (await events('subscriptions_ended')).flatMap(({ payload }) => payload.publicationIds);
      if (!ended.includes(kept)) notYet(`ended: ${ended.join()}`);
    });
    expect(await subscribe(here, viewer, kept)).toMatchObject({ failed: [], subscriptions: [{ publicationId: kept }] });
  });
});
