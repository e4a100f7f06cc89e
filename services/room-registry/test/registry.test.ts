import { newId, participantIdOf } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { memoryBackplane } from '@flotilla/backplane';
import { joinAs, newcomer, nodeReport, notYet, waitFor } from '@flotilla/testkit';
import { describe, expect, test } from 'vitest';
import { Rooms } from '../src/rooms.ts';
import { Sweeper } from '../src/sweeper.ts';

const log = createLogger({ service: 'test', level: 'error' });

describe('rooms', () => {
  test('a room is found by name and by id, and gets a random name when none is given', async () => {
    const { store } = memoryBackplane(log);
    const rooms = new Rooms(store.rooms);
    const named = await rooms.create({ name: 'daily' });
    expect(await rooms.get('daily')).toEqual(await rooms.get(named.id));
    const unnamed = await rooms.create({});
    expect(unnamed.name).toMatch(/^[0-9a-z]{16}$/);
    expect(await rooms.get(unnamed.name)).toMatchObject({ id: unnamed.id });
    await expect(rooms.get('nowhere')).rejects.toMatchObject({ code: 'ROOM_NOT_FOUND' });
  });

  test('two parallel requests to create a room of one name create one room', async () => {
    const { store } = memoryBackplane(log);
    const rooms = new Rooms(store.rooms);
    const created = await Promise.all([rooms.create({ name: 'daily' }), rooms.create({ name: 'daily' })]);
    expect(created[0].id).toBe(created[1].id);
    expect((await rooms.list(10)).rooms).toHaveLength(1);
  });
});

describe('the participants of a room', () => {
  test('are listed in pages, in the order in which they joined', async () => {
    const { store } = memoryBackplane(log);
    const rooms = new Rooms(store.rooms);
    await store.nodes.report(nodeReport('nd_a', { capacity: 300 }));
    const { id } = await rooms.create({ name: 'town-hall', maxParticipants: 300 });
    const sessions = Array.from({ length: 200 }, () => newId('session'));
    for (const sessionId of sessions) await joinAs(store, newcomer(id, sessionId));
    const first = await rooms.participants('town-hall');
    expect(first.participants.length).toBeLessThan(200);
    const second = await rooms.participants('town-hall', first.next!);
    expect([...first.participants, ...second.participants].map((each) => each.id)).toEqual(
      sessions.map(participantIdOf),
    );
    expect(second.next).toBeNull();
    await expect(rooms.participants('nowhere')).rejects.toMatchObject({ code: 'ROOM_NOT_FOUND' });
  });
});

describe('the sweeper', () => {
  test('a session whose resume window has passed leaves its rooms, other sessions stay', async () => {
    const { store } = memoryBackplane(log);
    const rooms = new Rooms(store.rooms);
    await store.nodes.report(nodeReport('nd_a'));
    const { id } = await rooms.create({ name: 'daily' });
    const sessions = [newId('session'), newId('session')];
    for (const sessionId of sessions) await joinAs(store, newcomer(id, sessionId));
    await store.sessions.detach(sessions[0]!, `hash-of-${sessions[0]!}`, 10);
    const sweeper = new Sweeper(store, { resumeMs: 20, deadMs: 600_000 }, log);
    await waitFor('one participant remains', async () => {
      await sweeper.sweep();
      const { participants } = await rooms.get('daily');
      if (participants !== 1) notYet(`there are ${participants}`);
    });
    expect(await rooms.participants('daily')).toMatchObject({
      participants: [{ id: participantIdOf(sessions[1]!) }],
      next: null,
    });
    expect(await store.sessions.get(sessions[0]!)).toBeUndefined();
    expect(await store.nodes.list()).toMatchObject([{ reserved: 1 }]);
  });
});
