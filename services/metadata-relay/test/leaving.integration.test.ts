import { mediaWorkersOf, joinAs, newcomer, nodeReport, notYet, waitFor } from '@flotilla/testkit';
import { subscribeToRoom } from '@flotilla/bus';
import type { RoomEvent } from '@flotilla/contracts';
import { newId, startOfStream } from '@flotilla/contracts';
import { afterEach, describe, expect, test } from 'vitest';
import { fleets, Harness } from './harness.ts';

describe.each(Object.entries(fleets))('a relay that goes, over %s', (_name, open) => {
  let harness: Harness;
  afterEach(() => harness.stop());

  const movedEvents = (): RoomEvent<'metadata_moved'>[] => {
    const moved: RoomEvent<'metadata_moved'>[] = [];
    subscribeToRoom(harness.backplane.events, harness.room.id, startOfStream, (placed) => {
      for (const { event } of placed) if (event.type === 'metadata_moved') moved.push(event);
    });
    return moved;
  };

  test('tells its clients, who connect to another beside it, and ends when the last has left', async () => {
    harness = await Harness.start(open, []);
    const leaving = await harness.startRelay('rl_a', { FLOTILLA_DRAIN_SECONDS: '60' });
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
    const closing = leaving.close().then(() => (closed = true));
    await waitFor('they are told', () => moved.length > 0 || notYet('not yet'));
    expect(moved[0]!.payload).toEqual({ relayId: 'rl_a', reason: 'draining' });
    expect(moved[0]!.only!.toSorted()).toEqual([one, two].toSorted());
    // Placed anew, as the gateway does: not on the one that leaves.
    const [ada2, bob2] = [
      await harness.client(undefined, { sessionId: one }),
      await harness.client(undefined, { sessionId: two }),
    ];
    expect([ada2.relayId, bob2.relayId]).toEqual(['rl_b', 'rl_b']);
    await bob2.subscribe('*');
    ada.send('cursor', 'by the old one', { channel: 'reliable' });
    await waitFor('the old link still carries', () => bob.texts('cursor').length > 0 || notYet('not yet'));
    await ada2.publish('cursor', { mode: 'reliable' });
    ada2.send('cursor', 'by the new one', { channel: 'reliable' });
    await waitFor('the new one does', () => bob2.texts('cursor').includes('by the new one') || notYet('not yet'));
    expect(closed).toBe(false);
    await ada.disconnect();
    await bob.disconnect();
    await closing;
    expect((await harness.backplane.store.relays.list()).map(({ id }) => id)).toEqual(['rl_b']);
  });

  test('when its worker dies its clients are told, and may come back to it', async () => {
    const before = new Set(mediaWorkersOf(process.pid));
    harness = await Harness.start(open, ['rl_a']);
    const sessionId = newId('session');
    await harness.client('rl_a', { sessionId });
    const moved = movedEvents();
    for (const pid of mediaWorkersOf(process.pid)) if (!before.has(pid)) process.kill(pid, 'SIGKILL');
    await waitFor('it is told', () => moved.length > 0 || notYet('not yet'));
    expect(moved[0]).toMatchObject({ payload: { relayId: 'rl_a', reason: 'lost' }, only: [sessionId] });
    const again = await harness.client('rl_a', { sessionId });
    await again.subscribe('*');
  });

  test('who leaves the room loses the link', async () => {
    harness = await Harness.start(open, ['rl_a']);
    const sessionId = newId('session');
    const { rooms, nodes } = harness.backplane.store;
    await nodes.report(nodeReport('nd_a'));
    const who = newcomer(harness.room.id, sessionId);
    await joinAs(harness.backplane.store, who);
    const client = await harness.client('rl_a', { sessionId });
    await rooms.leave(who.roomId, who.participantId, 'left');
    await waitFor('the relay has no link', async () => {
      const answer = await client.subscribe('*').then(
        () => 'subscribed',
        (error: Error) => error.message,
      );
      if (!answer.startsWith('METADATA_NOT_OPEN')) notYet('it has one');
    });
  });
});
