import { describe, expect, test, vi } from 'vitest';
import { joinedRoom, mediaOn, publicationOf, subscriptionTo } from './kit/joined-room.ts';

const videoOf = (participantId: string) => ({
  ...publicationOf(participantId),
  kind: 'video' as const,
  source: 'camera' as const,
});

describe('the report of media', () => {
  test('has the time to the first frame of a video after a join', async () => {
    const { session, media, other, announce } = await joinedRoom();
    const publication = announce(videoOf(other.id));
    await media.use(mediaOn('joined', [subscriptionTo(publication)]), performance.now() - 250);
    const { payload } = await session.nth('media_report', 1);
    expect(payload).toMatchObject({ measure: 'first_frame' });
    expect(payload['ms']).toBeGreaterThanOrEqual(250);
  });

  test('is not sent after a join of a room without video', async () => {
    const { session, state, media, announce } = await joinedRoom();
    const publication = announce();
    await media.use(mediaOn('joined', [subscriptionTo(publication)]));
    await vi.waitFor(() => expect(state.findPublication(publication.id)?.track).toBeDefined());
    expect(session.of('media_report')).toEqual([]);
  });

  test('has the time to the first media after a loss, audio where there is no video', async () => {
    const { session, media, announce } = await joinedRoom();
    const publication = announce();
    await media.use(mediaOn('joined', [subscriptionTo(publication)]));
    media.sfu.reopen();
    (await session.nth('open_media', 1)).reply(mediaOn('reopened', [subscriptionTo(publication, 'again')]));
    expect((await session.nth('media_report', 1)).payload).toMatchObject({ measure: 'recovery' });
  });
});
