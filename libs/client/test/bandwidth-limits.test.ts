import { describe, expect, test, vi } from 'vitest';
import { joinedRoom, mediaOn, publicationOf } from './kit/joined-room.ts';

const onOld = 'old recv';

describe('RemotePublication.pausedForBandwidth', () => {
  const room = async () => {
    const joined = await joinedRoom({ subscribe: false });
    const { state, announce, record } = joined;
    const [one, other] = [announce().id, announce().id];
    return {
      ...joined,
      one,
      other,
      changes: record('pausedForBandwidthChanged'),
      limited: () => state.remotePublications().flatMap((each) => (each.pausedForBandwidth ? [each.id] : [])),
    };
  };

  test('is what the last list of the transport says, and each change is an event', async () => {
    const { media, one, other, limited, changes } = await room();
    media.sfu.subscriptionsLimited(onOld, [one]);
    expect(limited()).toEqual([one]);
    media.sfu.subscriptionsLimited(onOld, [other]);
    expect(limited()).toEqual([other]);
    media.sfu.subscriptionsLimited(onOld, [other]);
    media.sfu.subscriptionsLimited(onOld, []);
    expect(limited()).toEqual([]);
    expect(changes.map(([{ id }]) => id)).toEqual([one, one, other, other]);
  });

  test('holds for a publication that is announced after the list', async () => {
    const { state, media, other, announce } = await room();
    const late = publicationOf(state.findPublication(other)!.participantId);
    media.sfu.subscriptionsLimited(onOld, [late.id]);
    announce(late);
    expect(state.findPublication(late.id)!.pausedForBandwidth).toBe(true);
  });

  test('ends with its transport, and lists of the next one apply when it is used', async () => {
    const { media, one, other, limited } = await room();
    media.sfu.subscriptionsLimited(onOld, [one]);
    media.sfu.subscriptionsLimited('new recv', [other]);
    expect(limited()).toEqual([one]);
    await media.use(mediaOn('new'));
    expect(limited()).toEqual([other]);
    await media.use(mediaOn('newest'));
    expect(limited()).toEqual([]);
  });

  test('is unknown after missed events, until the next list', async () => {
    const { state, media, one, limited } = await room();
    media.sfu.subscriptionsLimited(onOld, [one]);
    media.resumed(undefined);
    expect(limited()).toEqual([one]);
    const publications = state.remotePublications().map(({ announced }) => announced);
    media.resumed({ room: state.info!, mediaMode: 'sfu', participants: [], publications, offset: '0-0' });
    expect(limited()).toEqual([]);
    media.sfu.subscriptionsLimited(onOld, [one]);
    expect(limited()).toEqual([one]);
  });

  test('is looked up for what changed alone', async () => {
    const { state, media, one, other, announce } = await room();
    for (let count = 0; count < 50; count++) announce();
    media.sfu.subscriptionsLimited(onOld, [one]);
    const [find, list] = [vi.spyOn(state, 'findPublication'), vi.spyOn(state, 'remotePublications')];
    media.sfu.subscriptionsLimited(onOld, [one, other]);
    announce();
    expect(find.mock.calls).toEqual([[other]]);
    expect(list).not.toHaveBeenCalled();
  });

  test('keeps the lists of a few transports only', async () => {
    const { media, one, limited } = await room();
    media.sfu.subscriptionsLimited('new recv', [one]);
    for (let number = 0; number < 100; number++) media.sfu.subscriptionsLimited(`recv ${number}`, []);
    await media.use(mediaOn('new'));
    expect(limited()).toEqual([]);
  });
});
