import { mediaWorkersOf, joinAs, newcomer, nodeReport, notYet, waitFor } from '@flotilla/testkit';
import { type RoomEventEntry, subscribeToRoom } from '@flotilla/bus';
import type { RoomEvent } from '@flotilla/contracts';
import { newId, startOfStream } from '@flotilla/contracts';
import { afterEach, describe, expect, test } from 'vitest';
import { fleets, Harness } from './harness.ts';

describe.each(Object.entries(fleets))('end of metadata links, over %s', (_name, open) => {
  let harness: Harness;
  afterEach(() => harness.stop());

  const movedEvents = (): RoomEvent<'metadata_moved'>[] => {
    const moved: RoomEvent<'metadata_moved'>[] = [];
    const onEvents = (entries: RoomEventEntry[]): void => {
      for (const { event } of entries) if (event.type === 'metadata_moved') moved.push(event);
    };
    subscribeToRoom(harness.backplane.events, harness.room.id, startOfStream, onEvents, () => undefined);
    return moved;
  };

  test('a draining relay notifies its clients, serves them until they are connected to another, and then stops', async () => {
    harness = await Harness.start(open, []);
    const draining = await harness.startRelay('rl_a', { FLOTILLA_DRAIN_SECONDS: '60' });
    await harness.startRelay('rl_b');
    const [one, two] = [newId('session'), newId('session')];
    const [ada, bob] = [
      await harness.client('rl_a', { sessionId: one }),
      await harness.client('rl_a', { sessionId: two }),
    ];
    await ada.publish('cursor', { mode: 'reliable' });
    await bob.subscribe('*');
    const moved = movedEvents();
    let closed = false;
    const closing = draining.close().then(() => (closed = true));
    await waitFor('the metadata_moved event', () => moved.length > 0 || notYet('there is none'));
    expect(moved[0]!.payload).toEqual({ relayId: 'rl_a', reason: 'draining' });
    expect(moved[0]!.only!.toSorted()).toEqual([one, two].toSorted());
    // Assigned again, as by a gateway, which excludes the draining relay.
    const [ada2, bob2] = [
      await harness.client(undefined, { sessionId: one }),
      await harness.client(undefined, { sessionId: two }),
    ];
    expect([ada2.relayId, bob2.relayId]).toEqual(['rl_b', 'rl_b']);
    await bob2.subscribe('*');
    ada.send('cursor', 'over rl_a', { channel: 'reliable' });
    await waitFor('a frame over the draining relay', () => bob.texts('cursor').length > 0 || notYet('not yet'));
    await ada2.publish('cursor', { mode: 'reliable' });
    ada2.send('cursor', 'over rl_b', { channel: 'reliable' });
    await waitFor('a frame over the new relay', () => bob2.texts('cursor').includes('over rl_b') || notYet('not yet'));
    expect(closed).toBe(false);
    await ada.disconnect();
    await bob.disconnect();
    await closing;
    expect((await harness.backplane.store.relays.list()).map(({ id }) => id)).toEqual(['rl_b']);
  });

  test('after a crash of the mediasoup worker the clients are notified and can connect to the same relay', async () => {
    const before = new Set(mediaWorkersOf(process.pid));
    harness = await Harness.start(open, ['rl_a']);
    const sessionId = newId('session');
    await harness.client('rl_a', { sessionId });
    const moved = movedEvents();
    for (const pid of mediaWorkersOf(process.pid)) if (!before.has(pid)) process.kill(pid, 'SIGKILL');
    await waitFor('the metadata_moved event', () => moved.length > 0 || notYet('there is none'));
    expect(moved[0]).toMatchObject({ payload: { relayId: 'rl_a', reason: 'lost' }, only: [sessionId] });
    const again = await harness.client('rl_a', { sessionId });
    await again.subscribe('*');
  });

  test('the link of a participant who leaves the room is closed', async () => {
    harness = await Harness.start(open, ['rl_a']);
    const sessionId = newId('session');
    const { rooms, nodes } = harness.backplane.store;
    await nodes.report(nodeReport('nd_a'));
    const member = newcomer(harness.room.id, sessionId);
    await joinAs(harness.backplane.store, member);
    const client = await harness.client('rl_a', { sessionId });
    await rooms.leave(member.roomId, member.participantId, 'left');
    await waitFor('the closed link', async () => {
      const answer = await client.subscribe('*').then(
        () => 'subscribed',
        (error: Error) => error.message,
      );
      if (!answer.startsWith('METADATA_NOT_OPEN')) notYet(answer);
    });
  });
});
