import { type FlotillaError, newId } from '@flotilla/contracts';
import { maxPublications } from '@flotilla/store';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalNodes, microphone } from './local-nodes.ts';

const [here, there] = ['nd_a', 'nd_b'] as const;

let nodes: LocalNodes;
beforeEach(async () => {
  nodes = await LocalNodes.start(here, there);
});
afterEach(() => nodes.close());

const publish = async (sessionId: string, publicationId?: string) =>
  (await nodes.room(here)).publications.publish(sessionId, microphone(publicationId));
const failuresOf = (results: readonly PromiseSettledResult<unknown>[]): string[] =>
  results.flatMap((result) => (result.status === 'rejected' ? [(result.reason as FlotillaError).code] : []));

describe('parallel requests of one session', () => {
  test('30 publications at once: 16 succeed, and the refused ones leave no producer', async () => {
    const { sessionId } = await nodes.enter(here);
    const results = await Promise.allSettled(Array.from({ length: 30 }, () => publish(sessionId)));
    expect(failuresOf(results)).toEqual(Array.from({ length: 30 - maxPublications }, () => 'RATE_LIMITED'));
    const producers = (await nodes.publications()).map(({ producerId }) => producerId);
    expect(producers).toHaveLength(maxPublications);
    expect((await nodes.dump(here)).producers.toSorted()).toEqual(producers.toSorted());
  });

  test('a publication that the store refuses leaves no producer and can be replaced by another', async () => {
    const { sessionId, id } = await nodes.enter(here);
    const room = await nodes.room(here);
    await nodes.backplane.store.rooms.reassign(nodes.roomId, id, [here]);
    await expect(room.publications.publish(sessionId, microphone())).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
    expect((await nodes.dump(here)).producers).toEqual([]);
  });

  test('the same publication published 10 times at once has one producer, that of its record', async () => {
    const { sessionId } = await nodes.enter(here);
    const publicationId = newId('publication');
    await Promise.all(Array.from({ length: 10 }, () => publish(sessionId, publicationId)));
    const publications = await nodes.publications();
    expect(publications).toMatchObject([{ id: publicationId }]);
    expect((await nodes.dump(here)).producers).toEqual([publications[0]!.producerId]);
  });

  test('the last of 30 mute requests decides for the producer and for the record', async () => {
    const { sessionId } = await nodes.enter(here);
    const { id } = await publish(sessionId);
    const room = await nodes.room(here);
    for (const last of [false, true]) {
      const states = Array.from({ length: 30 }, (_, index) => (index % 2 === 0 ? !last : last));
      await Promise.all(states.map((muted) => room.publications.mute(sessionId, id, muted)));
      expect(await nodes.publications()).toMatchObject([{ muted: last }]);
      expect(room.media(sessionId).findProducer(id)!.paused).toBe(last);
    }
  });

  test('unpublish right after publish leaves neither record nor producer', async () => {
    const { sessionId } = await nodes.enter(here);
    const publicationId = newId('publication');
    const { publications } = await nodes.room(here);
    await Promise.all([
      publications.publish(sessionId, microphone(publicationId)),
      publications.unpublish(sessionId, publicationId),
    ]);
    expect(await nodes.publications()).toEqual([]);
    expect((await nodes.dump(here)).producers).toEqual([]);
  });

  test.each([
    ['a publication of this node', here],
    ['a publication of another node', there],
  ])('the last of subscribe and unsubscribe decides for %s', async (_, subscriberNode) => {
    const publisher = await nodes.enter(here);
    const { id } = await publish(publisher.sessionId);
    const { sessionId } = await nodes.enter(subscriberNode, false);
    const { subscriptions } = await nodes.room(subscriberNode);
    const replies = await Promise.all(Array.from({ length: 10 }, () => subscriptions.subscribe(sessionId, [id])));
    const consumers = replies.flatMap((reply) => reply.subscriptions.map(({ consumerId }) => consumerId));
    expect(consumers).toHaveLength(10);
    expect((await nodes.dump(subscriberNode)).consumers).toEqual([...new Set(consumers)]);
    await Promise.all([subscriptions.unsubscribe(sessionId, [id]), subscriptions.subscribe(sessionId, [id])]);
    expect((await nodes.dump(subscriberNode)).consumers).toHaveLength(1);
    await Promise.all([subscriptions.subscribe(sessionId, [id]), subscriptions.unsubscribe(sessionId, [id])]);
    expect((await nodes.dump(subscriberNode)).consumers).toEqual([]);
  });

  test('the last of several subscription updates decides', async () => {
    const { id } = await publish((await nodes.enter(here)).sessionId);
    const { sessionId } = await nodes.enter(here);
    const { subscriptions } = await nodes.room(here);
    const updates = Array.from({ length: 20 }, (_, index) => ({
      ...(index % 3 === 0 && { priority: 2 }),
      paused: index % 2 === 0,
    }));
    await Promise.all(updates.map((update) => subscriptions.update(sessionId, [id], update)));
    const reply = await subscriptions.subscribe(sessionId, [id]);
    expect(reply.subscriptions).toMatchObject([{ publicationId: id, paused: false }]);
  });

  test('a transport connected twice with the same parameters is connected once; other parameters are refused', async () => {
    const member = await nodes.join(here);
    const { send } = await nodes.open(here, member);
    const media = (await nodes.room(here)).media(member.sessionId);
    const fingerprint = { algorithm: 'sha-256', value: Array.from({ length: 32 }, () => 'AB').join(':') } as const;
    const parameters = { role: 'client', fingerprints: [fingerprint] } as const;
    const connect = () => media.connect(send.id, structuredClone(parameters) as never);
    await Promise.all([connect(), connect(), connect()]);
    await connect();
    const other = { ...parameters, role: 'server' } as const;
    await expect(media.connect(send.id, other as never)).rejects.toMatchObject({ code: 'MEDIA_UNSUPPORTED' });
  });

  test('more requests about one publication than may wait are refused', async () => {
    const { sessionId } = await nodes.enter(here);
    const { id } = await publish(sessionId);
    const { publications } = await nodes.room(here);
    const results = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) => publications.mute(sessionId, id, index % 2 === 0)),
    );
    expect(failuresOf(results)).toEqual(Array.from({ length: 36 }, () => 'RATE_LIMITED'));
  });
});

describe('requests while the media of a session is closed', () => {
  const leave = ({ id }: { id: string }) => nodes.backplane.store.rooms.leave(nodes.roomId, id, 'left');
  const isClosed = async (id: string): Promise<void> => {
    await waitFor('no session has media', () => nodes.node(id).sessions === 0 || notYet('one has'));
  };

  test('publications in flight leave neither records nor producers when their participant leaves', async () => {
    const stays = await nodes.enter(here);
    const leaves = await nodes.enter(here);
    const publishing = Array.from({ length: 10 }, () => publish(leaves.sessionId));
    await Promise.all([leave(leaves), Promise.allSettled(publishing)]);
    await waitFor('one session has media', () => nodes.node(here).sessions === 1 || notYet('both have'));
    expect(await nodes.publications()).toEqual([]);
    expect(await nodes.dump(here)).toEqual({ transports: 2, producers: [], consumers: [] });
    await publish(stays.sessionId);
  });

  test('publications in flight while the media is opened again leave no record that was not answered, and no producer without one', async () => {
    const member = await nodes.enter(here);
    const publishing = Array.from({ length: 10 }, () => publish(member.sessionId));
    const [, answers] = await Promise.all([nodes.open(here, member), Promise.allSettled(publishing)]);
    const answered = new Set(answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value.id] : [])));
    const records = await nodes.publications();
    // The client publishes what was answered again, under its id.
    expect(records.filter(({ id }) => !answered.has(id))).toEqual([]);
    const { producers, transports } = await nodes.dump(here);
    expect(transports).toBe(2);
    const recorded = new Set(records.map(({ producerId }) => producerId));
    expect(producers.filter((id) => !recorded.has(id))).toEqual([]);
  });

  test('media opened 10 times at once is open once', async () => {
    const member = await nodes.join(here);
    await Promise.allSettled(Array.from({ length: 10 }, () => nodes.open(here, member)));
    expect(nodes.node(here).sessions).toBe(1);
    expect((await nodes.dump(here)).transports).toBe(2);
  });

  test('a participant that leaves while its media is opened has none', async () => {
    for (let delay = 0; delay < 10; delay++) {
      const member = await nodes.join(here);
      const opening = nodes.open(here, member);
      for (let turn = 0; turn < delay; turn++) await new Promise(setImmediate);
      await Promise.allSettled([leave(member), opening]);
      await isClosed(here);
    }
  });

  test('a participant that leaves and joins again keeps the media that it opened last', async () => {
    const member = await nodes.enter(here);
    const { userId, name, joinedAt, id: participantId, sessionId } = member;
    await leave(member);
    const { grants } = member;
    const request = { participantId, sessionId, userId, name, joinedAt, grants, roomId: nodes.roomId, maxRooms: 16 };
    await nodes.backplane.store.rooms.join({ ...request, excludeNodes: [there] });
    // Faster than the event of the first stay.
    await nodes.open(here, member);
    const other = await nodes.enter(here);
    await leave(other);
    await waitFor('the other left', () => nodes.node(here).sessions === 1 || notYet('it is there'));
    await publish(sessionId);
  });

  test('the last participant leaves while another opens its media: the room stays open', async () => {
    for (let round = 0; round < 5; round++) {
      const first = await nodes.enter(here);
      const second = await nodes.join(here);
      const [, opened] = await Promise.all([leave(first), nodes.open(here, second)]);
      expect(opened.nodeId).toBe(here);
      await publish(second.sessionId);
      await leave(second);
      await isClosed(here);
    }
  });

  test('a subscriber that leaves while it subscribes to a publication of another node leaves no pipe', async () => {
    const publisher = await nodes.enter(here);
    const { id } = await publish(publisher.sessionId);
    const subscriber = await nodes.enter(there, false);
    const { subscriptions } = await nodes.room(there);
    await Promise.allSettled([subscriptions.subscribe(subscriber.sessionId, [id]), leave(subscriber)]);
    await isClosed(there);
    await leave(publisher);
    await isClosed(here);
  });
});

describe('publications of another node', () => {
  test('20 sessions that subscribe at once share one producer; the removed publication ends on both nodes', async () => {
    const publisher = await nodes.enter(here);
    const publications = await Promise.all(Array.from({ length: 5 }, () => publish(publisher.sessionId)));
    const subscribers = await Promise.all(Array.from({ length: 20 }, () => nodes.enter(there, false)));
    const { subscriptions } = await nodes.room(there);
    const ids = publications.map(({ id }) => id);
    const replies = await Promise.all(subscribers.map(({ sessionId }) => subscriptions.subscribe(sessionId, ids)));
    expect(replies.flatMap(({ failed }) => failed)).toEqual([]);
    const { producers, consumers } = await nodes.dump(there);
    expect(producers.toSorted()).toEqual(publications.map(({ producerId }) => producerId).toSorted());
    expect(consumers).toHaveLength(100);
    expect((await nodes.dump(here)).consumers).toHaveLength(5);
    const { publications: published } = await nodes.room(here);
    await Promise.all(ids.map((id) => published.unpublish(publisher.sessionId, id)));
    await waitFor('nothing is left of them', async () => {
      const [a, b] = [await nodes.dump(here), await nodes.dump(there)];
      if (a.consumers.length + b.producers.length + b.consumers.length > 0) notYet(JSON.stringify([a, b]));
      // The pipe has no publication left: transports of clients remain.
      if (a.transports !== 2 || b.transports !== 40) notYet(`${a.transports} and ${b.transports} transports`);
    });
    const again = await publish(publisher.sessionId);
    const reply = await subscriptions.subscribe(subscribers[0]!.sessionId, [again.id]);
    expect(reply).toMatchObject({ failed: [], subscriptions: [{ producerId: again.producerId }] });
  });

  test('the sending end of a pipe to a dead node is closed, and opened again for a node that is alive after all', async () => {
    const publisher = await nodes.enter(here);
    const [first, second] = [await publish(publisher.sessionId), await publish(publisher.sessionId)];
    const { sessionId } = await nodes.enter(there, false);
    const { subscriptions } = await nodes.room(there);
    await subscriptions.subscribe(sessionId, [first.id]);
    const node = nodes.node(here);
    expect([...node.pipeReceivers]).toEqual([there]);
    node.closePipesTo(new Set(['nd_other']));
    expect((await nodes.dump(here)).consumers).toHaveLength(1);
    node.closePipesTo(new Set([there]));
    expect([...node.pipeReceivers]).toEqual([]);
    expect(await nodes.dump(here)).toMatchObject({ consumers: [], transports: 2 });
    expect(await subscriptions.subscribe(sessionId, [second.id])).toMatchObject({ failed: [] });
    expect([...node.pipeReceivers]).toEqual([there]);
  });

  test('the last of quick mute changes arrives on the other node', async () => {
    const publisher = await nodes.enter(here);
    const { id } = await publish(publisher.sessionId);
    const { sessionId } = await nodes.enter(there, false);
    const { subscriptions } = await nodes.room(there);
    await subscriptions.subscribe(sessionId, [id]);
    const { publications } = await nodes.room(here);
    for (const last of [true, false]) {
      await Promise.all([!last, last, !last, last].map((muted) => publications.mute(publisher.sessionId, id, muted)));
      await waitFor('the consumer follows', async () => {
        const consumer = (await nodes.room(there)).media(sessionId).findConsumer(id);
        if (consumer?.producerPaused !== last) notYet(`paused is ${consumer?.producerPaused}`);
      });
    }
  });
});
