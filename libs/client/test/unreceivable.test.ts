import type { Publication, Subscription } from '@flotilla/contracts';
import { expect, test, vi } from 'vitest';
import { joinedRoom, mediaOn, publicationOf, subscriptionTo } from './kit/joined-room.ts';

type Room = Awaited<ReturnType<typeof joinedRoom>>;

/** Answers `open_media` with transports that receive everything that is published. Counts the answers. */
function serveMedia({ session }: Room, published: Publication[]): { opened: number } {
  const served = { opened: 0 };
  const consumer = (each: Publication): Subscription => subscriptionTo(each, `${served.opened} ${each.producerId}`);
  session.answers.set('open_media', () => mediaOn(`reopened ${++served.opened}`, published.map(consumer)));
  session.answers.set('subscribe', ({ publicationIds }) => ({
    subscriptions: published.filter(({ id }) => (publicationIds as string[]).includes(id)).map(consumer),
    failed: [],
  }));
  session.answers.set('unsubscribe', () => ({}));
  session.answers.set('update_subscriptions', () => ({}));
  return served;
}

const received = ({ state }: Room, publications: readonly Publication[]): string[] =>
  publications.filter(({ id }) => state.findPublication(id)?.track !== undefined).map(({ producerId }) => producerId);

const all = (room: Room, count: number): Publication[] =>
  Array.from({ length: count }, (_, index) => publicationOf(room.other.id, `producer ${index}`));

test('a publication that the browser refuses costs itself alone: media is opened again for the others', async () => {
  const room = await joinedRoom();
  const published = all(room, 5);
  const served = serveMedia(room, published);
  room.device.refused.add('producer 2');
  for (const each of published) room.announce(each);
  await vi.waitFor(
    () => expect(received(room, published)).toEqual(['producer 0', 'producer 1', 'producer 3', 'producer 4']),
    {
      timeout: 5000,
    },
  );
  // Once to receive the suspected ones alone, once without the refused one.
  expect(served.opened).toBe(2);
  const refused = await room.session.nth('unsubscribe', 1);
  expect(refused.payload).toEqual({ publicationIds: [published[2]!.id] });
});

test('a publication that is refused while others are received leaves later ones receivable', async () => {
  const room = await joinedRoom();
  const published = all(room, 1);
  const served = serveMedia(room, published);
  room.announce(published[0]);
  await vi.waitFor(() => expect(received(room, published)).toEqual(['producer 0']));
  const [bad, late] = [publicationOf(room.other.id, 'bad'), publicationOf(room.other.id, 'late')];
  room.device.refused.add('bad');
  published.push(bad);
  room.announce(bad);
  await vi.waitFor(() => expect(served.opened).toBe(2), { timeout: 5000 });
  published.push(late);
  room.announce(late);
  await vi.waitFor(() => expect(received(room, published)).toEqual(['producer 0', 'late']), { timeout: 5000 });
  expect(served.opened).toBe(2);
});

test('a refused publication is received once it has another producer', async () => {
  const room = await joinedRoom();
  const published = all(room, 1);
  serveMedia(room, published);
  room.device.refused.add('producer 0');
  room.announce(published[0]);
  await room.session.nth('unsubscribe', 1);
  published[0] = { ...published[0]!, producerId: 'mended' };
  room.announce(published[0]);
  await vi.waitFor(() => expect(received(room, published)).toEqual(['mended']), { timeout: 5000 });
});

test('to subscribe to a publication that the browser refuses rejects with MEDIA_UNSUPPORTED', async () => {
  const room = await joinedRoom({ subscribe: false });
  const published = all(room, 1);
  serveMedia(room, published);
  room.session.answers.set('open_media', () => mediaOn('reopened'));
  room.device.refused.add('producer 0');
  const { id } = room.announce(published[0]);
  await expect(room.state.findPublication(id)!.subscribe()).rejects.toMatchObject({ code: 'MEDIA_UNSUPPORTED' });
});
