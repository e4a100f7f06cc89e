import { appendRoomEvent, parseRoomEvents, roomStream } from '@flotilla/bus';
import { type Member, type Migration, newId, type RoomEvent, startOfStream } from '@flotilla/contracts';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MediaNode } from '../src/index.ts';
import { LocalNodes, microphone, rtpCapabilities } from './local-nodes.ts';

const [here, there, elsewhere] = ['nd_a', 'nd_b', 'nd_c'] as const;

let nodes: LocalNodes;
beforeEach(async () => {
  nodes = await LocalNodes.start(here, there, elsewhere);
});
afterEach(() => nodes.close());

const publish = async (nodeId: string, { sessionId }: Member, publicationId?: string) =>
  (await nodes.room(nodeId)).publications.publish(sessionId, microphone(publicationId));

const subscribe = async (nodeId: string, { sessionId }: Member, ...ids: string[]) =>
  (await nodes.room(nodeId)).subscriptions.subscribe(sessionId, ids);

/** Begins a migration and opens its new side, as the registry does. */
async function migrate({ id: participantId, sessionId }: Member, toNode: string): Promise<Migration> {
  const { migrations } = nodes.backplane.store;
  const startedAt = Date.now();
  const common = { id: newId('migration'), roomId: nodes.roomId, sessionId, participantId, toNode, startedAt } as const;
  const begun = await migrations.begin({ ...common, reason: 'manual', deadline: startedAt + 10_000 });
  const { migration } = begun;
  const request = { sessionId, participantId, ...begun.media, migration } as Parameters<MediaNode['openSession']>[1];
  await nodes.node(toNode).openSession(nodes.roomId, request);
  return migration;
}

const commit = ({ roomId, participantId, id }: Migration) =>
  nodes.backplane.store.migrations.commit(roomId, participantId, id);
const rollBack = ({ roomId, participantId, id }: Migration) =>
  nodes.backplane.store.migrations.rollBack(roomId, participantId, id, 'rolled_back');

async function events<T extends RoomEvent['type']>(type: T): Promise<RoomEvent<T>[]> {
  const entries = await nodes.backplane.events.readAfter(roomStream(nodes.roomId), startOfStream, 1000);
  if (entries === 'trimmed') throw new Error('the stream was trimmed');
  return parseRoomEvents(entries).flatMap(({ event }) => (event.type === type ? [event as RoomEvent<T>] : []));
}

/** Waits until the node has applied everything that is in the room's stream. */
async function applied(nodeId: string): Promise<void> {
  const observer = await nodes.enter(nodeId, false);
  await nodes.backplane.store.rooms.leave(nodes.roomId, observer.id, 'left');
  const { sessionId } = observer;
  await waitFor(`${nodeId} applied the stream`, async () => {
    try {
      (await nodes.room(nodeId)).media(sessionId);
    } catch {
      return;
    }
    notYet('it did not');
  });
}

const sessionsAre = (nodeId: string, count: number): Promise<void> =>
  waitFor(`${count} sessions on ${nodeId}`, () => {
    const { sessions } = nodes.node(nodeId);
    if (sessions !== count) notYet(`it has ${sessions}`);
  });

describe('a session that was opened with subscribe: false', () => {
  const subscriptionsOnNewNode = async () =>
    (await events('migrate')).at(-1)!.payload.media.subscriptions.map(({ publicationId }) => publicationId);

  test('a migration opens the subscriptions that it chose on the new node, and those chosen there on the next', async () => {
    const publisher = await nodes.enter(elsewhere);
    const [one, two, three] = [
      (await publish(elsewhere, publisher)).id,
      (await publish(elsewhere, publisher)).id,
      (await publish(elsewhere, publisher)).id,
    ];
    const migrated = await nodes.enter(here, false);
    await subscribe(here, migrated, one, two);
    await (await nodes.room(here)).subscriptions.unsubscribe(migrated.sessionId, [one]);
    await commit(await migrate(migrated, there));
    expect(await subscriptionsOnNewNode()).toEqual([two]);
    await subscribe(there, migrated, three);
    await commit(await migrate(migrated, here));
    expect((await subscriptionsOnNewNode()).toSorted()).toEqual([two, three].toSorted());
    await (await nodes.room(elsewhere)).publications.unpublish(publisher.sessionId, two);
    await commit(await migrate(migrated, there));
    expect(await subscriptionsOnNewNode()).toEqual([three]);
  });
});

describe('subscriptions without the migration during a migration', () => {
  test('one made on the old node works until the commit, then subscriptions_ended follows and the node refuses more', async () => {
    const [migrated, publisher] = [await nodes.enter(here), await nodes.enter(elsewhere)];
    const migration = await migrate(migrated, there);
    const { id } = await publish(elsewhere, publisher);
    expect(await subscribe(here, migrated, id)).toMatchObject({ failed: [], subscriptions: [{ publicationId: id }] });
    expect(await events('subscriptions_ended')).toEqual([]);
    await commit(migration);
    await waitFor('the event', async () => {
      const ended = await events('subscriptions_ended');
      if (ended.length === 0) notYet('it did not come');
      expect(ended).toMatchObject([{ only: [migrated.sessionId], payload: { nodeId: here, publicationIds: [id] } }]);
    });
    await expect(subscribe(here, migrated, id)).rejects.toMatchObject({ code: 'MEDIA_NOT_OPEN' });
    expect(await subscribe(there, migrated, id)).toMatchObject({ failed: [], subscriptions: [{ publicationId: id }] });
    await sessionsAre(here, 0);
  });

  test('one that is withdrawn before the commit, or that a rollback keeps, needs no event', async () => {
    const [migrated, publisher] = [await nodes.enter(here), await nodes.enter(elsewhere)];
    const [kept, withdrawn] = [await publish(elsewhere, publisher), await publish(elsewhere, publisher)];
    await rollBack(await migrate(migrated, there));
    const migration = await migrate(migrated, there);
    await subscribe(here, migrated, kept.id);
    await rollBack(migration);
    await applied(here);
    const second = await migrate(migrated, there);
    await subscribe(here, migrated, withdrawn.id);
    await (await nodes.room(here)).subscriptions.unsubscribe(migrated.sessionId, [withdrawn.id]);
    await commit(second);
    await sessionsAre(here, 0);
    expect(await events('subscriptions_ended')).toEqual([]);
  });
});

describe('publications during a migration', () => {
  test('a commit before anything is republished ends every publication on all nodes', async () => {
    const [migrated, subscriber, neighbour] = [
      await nodes.enter(here),
      await nodes.enter(elsewhere, false),
      await nodes.enter(here, false),
    ];
    const publications = [await publish(here, migrated), await publish(here, migrated)];
    const ids = publications.map(({ id }) => id);
    await subscribe(elsewhere, subscriber, ...ids);
    await subscribe(here, neighbour, ...ids);
    await commit(await migrate(migrated, there));
    expect((await events('publication_removed')).map(({ payload }) => payload.publicationId).toSorted()).toEqual(
      ids.toSorted(),
    );
    expect(await nodes.publications()).toEqual([]);
    await waitFor('no producer or consumer is left', async () => {
      const dumps = await Promise.all([here, there, elsewhere].map((nodeId) => nodes.dump(nodeId)));
      if (dumps.some(({ producers, consumers }) => producers.length + consumers.length > 0))
        notYet(JSON.stringify(dumps));
    });
  });

  test('one that began on the old node ends with the commit', async () => {
    const migrated = await nodes.enter(here);
    const migration = await migrate(migrated, there);
    const { id } = await publish(here, migrated);
    await commit(migration);
    expect(await events('publication_removed')).toMatchObject([{ payload: { publicationId: id } }]);
    await expect(publish(here, migrated)).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
    await applied(here);
    expect((await nodes.dump(here)).producers).toEqual([]);
  });

  test('a mute on the old node after the republication pauses the old producer and leaves the record', async () => {
    const migrated = await nodes.enter(here);
    const { id } = await publish(here, migrated);
    const migration = await migrate(migrated, there);
    const republished = await publish(there, migrated, id);
    const [old, current] = [await nodes.room(here), await nodes.room(there)];
    await old.publications.mute(migrated.sessionId, id, true);
    expect(old.media(migrated.sessionId).findProducer(id)!.paused).toBe(true);
    expect(await nodes.publications()).toMatchObject([{ nodeId: there, muted: false }]);
    await expect(publish(here, migrated, id)).rejects.toMatchObject({ code: 'MIGRATION_RUNNING' });
    await commit(migration);
    await current.publications.mute(migrated.sessionId, id, true);
    expect(await nodes.publications()).toMatchObject([{ producerId: republished.producerId, muted: true }]);
  });

  test('an unpublish on the new node ends the publication on the old one too', async () => {
    const migrated = await nodes.enter(here);
    const { id } = await publish(here, migrated);
    await migrate(migrated, there);
    await publish(there, migrated, id);
    await (await nodes.room(there)).publications.unpublish(migrated.sessionId, id);
    await waitFor('both nodes have no producer', async () => {
      const [old, current] = [await nodes.dump(here), await nodes.dump(there)];
      if (old.producers.length + current.producers.length > 0) notYet(JSON.stringify([old, current]));
    });
  });

  test('mutes on both nodes in any order with republication and commit leave producer and record equal', async () => {
    for (let round = 0; round < 8; round++) {
      const migrated = await nodes.enter(here);
      const { id } = await publish(here, migrated);
      const migration = await migrate(migrated, there);
      const old = await nodes.room(here);
      const requests = [
        () => old.publications.mute(migrated.sessionId, id, true),
        () => publish(there, migrated, id),
        () => old.publications.mute(migrated.sessionId, id, false),
      ];
      for (let turn = 0; turn < round % 3; turn++) requests.push(requests.shift()!);
      await Promise.all(requests.map((request) => request()));
      await commit(migration);
      const record = (await nodes.publications()).find((each) => each.id === id);
      const producer = (await nodes.room(there)).media(migrated.sessionId).findProducer(id)!;
      expect(record).toMatchObject({ nodeId: there, producerId: producer.id, muted: producer.paused });
      await nodes.backplane.store.rooms.leave(nodes.roomId, migrated.id, 'left');
    }
  });
});

describe('media of a session that is moved', () => {
  test('the new side is closed by a roll back, and the old one by a commit', async () => {
    const migrated = await nodes.enter(here);
    await rollBack(await migrate(migrated, there));
    await sessionsAre(there, 0);
    expect(nodes.node(here).sessions).toBe(1);
    await commit(await migrate(migrated, there));
    await sessionsAre(here, 0);
    expect(nodes.node(there).sessions).toBe(1);
  });

  test('a session that is moved away and back at once keeps its media where it ends', async () => {
    const migrated = await nodes.enter(here);
    await commit(await migrate(migrated, there));
    await commit(await migrate(migrated, here));
    await sessionsAre(there, 0);
    expect(nodes.node(here).sessions).toBe(1);
    await publish(here, migrated);
  });

  test('a migration that is rolled back while its new side is opened leaves nothing there', async () => {
    const migrated = await nodes.enter(here);
    const { migrations } = nodes.backplane.store;
    const { id: participantId, sessionId } = migrated;
    for (let delay = 0; delay < 8; delay++) {
      const startedAt = Date.now();
      const common = { id: newId('migration'), roomId: nodes.roomId, sessionId, participantId, startedAt } as const;
      const request = { ...common, toNode: there, reason: 'manual', deadline: startedAt + 10_000 } as const;
      const { migration } = await migrations.begin(request);
      const opening = nodes.open(there, migrated);
      for (let turn = 0; turn < delay; turn++) await new Promise(setImmediate);
      await Promise.allSettled([rollBack(migration), opening]);
      await sessionsAre(there, 0);
    }
  });

  test('the new side of a migration that is not active is refused and nobody is notified', async () => {
    const member = await nodes.enter(here);
    const migration = await migrate(member, there);
    const notified = (await events('migrate')).length;
    const { id: participantId, sessionId } = member;
    const request = { sessionId, participantId, rtpCapabilities, subscribe: true };
    const other = { ...migration, id: newId('migration') };
    await expect(nodes.node(there).openSession(nodes.roomId, { ...request, migration: other })).rejects.toMatchObject({
      code: 'MIGRATION_NOT_ACTIVE',
    });
    expect(await events('migrate')).toHaveLength(notified);
  });

  test('events of unknown participants do not change the media of other sessions', async () => {
    const stays = await nodes.enter(here);
    const payload = { participantId: 'pt_unknown', nodeId: there, migrationId: newId('migration') };
    await appendRoomEvent(nodes.backplane.events, nodes.roomId, { type: 'participant_moved', from: 'system', payload });
    await applied(here);
    await publish(here, stays);
  });
});
