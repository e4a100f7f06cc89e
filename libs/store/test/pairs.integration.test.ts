import { type EventLog, encodeRoomEvent, roomStream } from '@flotilla/bus';
import { cameraOf, joinAs, newcomer, nodeReport, roomRecord } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { pairKey, type Store } from '../src/index.ts';
import { adapters, eventsOf } from './adapters.ts';

describe.each(adapters)('a peer-to-peer room in %s', (_name, open) => {
  let store: Store;
  let events: EventLog;
  let close: () => Promise<void>;
  const roomId = 'rm_two';

  beforeEach(async () => {
    ({ store, events, close } = await open());
    await store.nodes.report(nodeReport('nd_a'));
    await store.rooms.create(roomRecord('two', { peerToPeer: true }));
  });
  afterEach(() => close());

  const join = (sessionId?: string) => joinAs(store, newcomer(roomId, sessionId));
  const appended = async () => (await eventsOf(events, roomId)).map(({ type }) => type);
  const put = (from: string, to: string, expectedVersion: number, record: string | undefined) =>
    store.rooms.putPair(roomId, {
      pair: pairKey(from, to),
      participants: [from, to],
      expectedVersion,
      update: record === undefined ? undefined : { state: 'have-local-offer', record },
      event: encodeRoomEvent({ type: 'negotiation', from, payload: { kind: 'rollback' } }),
    });
  const couple = async (): Promise<[string, string]> => [(await join()).member.id, (await join()).member.id];
  const negotiations = async () => (await store.topology()).vertices.filter(({ kind }) => kind === 'negotiation');

  test('a peer-to-peer room moves to the SFU with its third member, stays there with two, and is peer-to-peer again after it was empty', async () => {
    const first = await join();
    const second = await join();
    expect([first.mediaMode, second.mediaMode]).toEqual(['peer', 'peer']);
    expect(await store.nodes.list()).toMatchObject([{ reserved: 2 }]);
    const third = await join();
    expect(third.mediaMode).toBe('sfu');
    expect((await appended()).slice(-2)).toEqual(['participant_joined', 'media_mode']);
    expect(third.offset).toBe(await events.lastOffset(roomStream(roomId)));
    await store.rooms.leave(roomId, third.member.id, 'left');
    expect(await store.rooms.state(roomId)).toMatchObject({ mediaMode: 'sfu' });
    expect(await join(third.member.sessionId)).toMatchObject({ mediaMode: 'sfu' });
    expect((await appended()).filter((type) => type === 'media_mode')).toHaveLength(1);
    for (const { member } of [first, second, third]) await store.rooms.leave(roomId, member.id, 'left');
    expect(await join()).toMatchObject({ mediaMode: 'peer' });
    expect(await store.topology()).toMatchObject({
      vertices: expect.arrayContaining([expect.objectContaining({ kind: 'room', mediaMode: 'peer' })]) as unknown,
    });
  });

  test('a negotiation record and its event are written in one step', async () => {
    const [a, b] = await couple();
    expect(await store.rooms.pair(roomId, a, b)).toMatchObject({ mediaMode: 'peer', peer: { id: b }, version: 0 });
    expect(await put(a, b, 0, '{"say": "one\ntwo"}')).toBe(true);
    expect(await store.rooms.pair(roomId, b, a)).toMatchObject({
      peer: { id: a },
      version: 1,
      record: '{"say": "one\ntwo"}',
    });
    const before = (await appended()).length;
    expect(await put(b, a, 0, '{}')).toBe(false);
    expect(await appended()).toHaveLength(before);
    expect(await put(b, a, 1, undefined)).toBe(true);
    expect(await store.rooms.pair(roomId, a, b)).toMatchObject({ version: 1, record: '{"say": "one\ntwo"}' });
    expect((await appended()).at(-1)).toBe('negotiation');
    expect(await negotiations()).toEqual([
      {
        kind: 'negotiation',
        id: `${roomId}/${pairKey(a, b)}`,
        roomId,
        participants: [a, b].toSorted(),
        state: 'have-local-offer',
      },
    ]);
  });

  test('of parallel writers of a negotiation one writes each version', async () => {
    const [a, b] = await couple();
    const written = await Promise.all(
      Array.from({ length: 20 }, (_, index) => put(index % 2 ? a : b, index % 2 ? b : a, 0, `${index}`)),
    );
    expect(written.filter(Boolean)).toHaveLength(1);
    expect(await store.rooms.pair(roomId, a, b)).toMatchObject({ version: 1 });
  });

  test('a negotiation record is deleted when a member leaves, when a third joins, and with the room', async () => {
    const [a, b] = await couple();
    await put(a, b, 0, 'x');
    await store.rooms.leave(roomId, b, 'left');
    expect(await store.rooms.pair(roomId, a, b)).toMatchObject({ peer: undefined, version: 0 });
    expect(await put(a, b, 0, 'x')).toBe(false);
    const { member: c } = await join();
    await put(a, c.id, 0, 'x');
    await join();
    expect(await store.rooms.pair(roomId, a, c.id)).toMatchObject({ mediaMode: 'sfu', version: 0 });
    expect(await put(a, c.id, 0, 'x')).toBe(false);
    expect(await negotiations()).toEqual([]);
    await store.rooms.delete(roomId);
    await expect(store.rooms.pair(roomId, a, c.id)).rejects.toMatchObject({ code: 'ROOM_NOT_FOUND' });
    expect(await put(a, c.id, 0, 'x')).toBe(false);
  });

  test('a publication keeps its id when the room moves to the SFU, and no participant takes the id of another', async () => {
    const [{ member: a }, { member: b }] = [await join(), await join()];
    const publication = cameraOf(a, { producerId: 'p' });
    await store.rooms.putPublication(roomId, publication);
    const stolen = store.rooms.putPublication(roomId, { ...publication, participantId: b.id, producerId: 'q' });
    await expect(stolen).rejects.toMatchObject({ code: 'PUBLICATION_NOT_FOUND' });
    expect(await store.rooms.publications(roomId, [publication.id])).toMatchObject([
      { participantId: a.id, producerId: 'p' },
    ]);
  });

  test('a room of the same name with other settings is refused', async () => {
    const { room } = (await store.rooms.state(roomId))!;
    await expect(store.rooms.create({ ...room, peerToPeer: false })).rejects.toMatchObject({ code: 'ROOM_EXISTS' });
  });
});
