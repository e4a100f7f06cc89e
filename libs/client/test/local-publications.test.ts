import { FlotillaError } from '@flotilla/contracts';
import { describe, expect, test, vi } from 'vitest';
import type { PeerCall } from '../src/p2p/peer-call.ts';
import { LocalPublications } from '../src/room/local-publications.ts';
import { joinedRoom, mediaOn, published, track } from './kit/joined-room.ts';

/** A room in which one microphone is published. */
async function publishing() {
  const room = await joinedRoom();
  const { session, media, me } = room;
  session.answers.set('publish', (payload) => published(payload, me.id));
  const publication = await media.localPublications.publish(track(), {});
  return { ...room, publication };
}

describe('LocalPublication.mute', () => {
  test('toggled quickly sends one request at a time and ends with the last call, whenever replies arrive', async () => {
    const { session, publication } = await publishing();
    const done = [publication.mute(), publication.unmute(), publication.mute(), publication.unmute()];
    const first = await session.nth('mute', 1);
    expect(first.payload).toMatchObject({ muted: true });
    expect(session.of('mute')).toHaveLength(1);
    first.reply();
    const second = await session.nth('mute', 2);
    expect(second.payload).toMatchObject({ muted: false });
    second.reply();
    await Promise.all(done);
    expect(session.of('mute')).toHaveLength(2);
    expect(publication.muted).toBe(false);
  });

  test('whose reply is lost is repeated with the state that counts by then', async () => {
    const { session, publication } = await publishing();
    const done = publication.mute();
    (await session.nth('mute', 1)).fail('DEADLINE_EXCEEDED');
    const undone = publication.unmute();
    const second = await session.nth('mute', 2);
    expect(second.payload).toMatchObject({ muted: false });
    second.reply();
    const third = await session.nth('mute', 3);
    expect(third.payload).toMatchObject({ muted: false });
    third.reply();
    await Promise.all([done, undone]);
  });

  test('resolves at once while the connection is lost, and is delivered after the resume', async () => {
    const { state, session, publication } = await publishing();
    state.setConnection('reconnecting');
    await publication.mute();
    (await session.nth('mute', 1)).fail('UNAVAILABLE');
    state.setConnection('connected');
    expect((await session.nth('mute', 2)).payload).toMatchObject({ muted: true });
  });

  test('that is refused rejects', async () => {
    const { session, publication } = await publishing();
    const muted = publication.mute();
    (await session.nth('mute', 1)).fail('PUBLICATION_NOT_FOUND');
    await expect(muted).rejects.toMatchObject({ code: 'PUBLICATION_NOT_FOUND' });
  });
});

describe('Room.publish', () => {
  /** Publishes in a direct call, and resolves with what is announced to the other participant and to this one. */
  const labelsInDirectCall = async (label: string) => {
    const { state, media } = await joinedRoom();
    state.setMediaMode('peer');
    const announced: (string | undefined)[] = [];
    const call = {
      publish: (_track: MediaStreamTrack, options: { label?: string }) => {
        announced.push(options.label);
        return { close: () => undefined };
      },
    };
    const publications = new LocalPublications(state, media.sfu, () => call as unknown as PeerCall);
    const publication = await publications.publish(track(), { label });
    return { announced, own: publication.announced.label };
  };

  test('announces a label as the room will have it, in a direct call and through an SFU', async () => {
    expect(await labelsInDirectCall('Screen\u200B ')).toEqual({ announced: ['Screen'], own: 'Screen' });
    const { session, media, me } = await joinedRoom();
    session.answers.set('publish', (payload) => published(payload, me.id));
    await media.localPublications.publish(track(), { label: '\u202EScreen' });
    expect(session.of('publish')[0]!.payload).toMatchObject({ label: 'Screen' });
  });

  test('with a label that the server would refuse rejects instead of ending the direct call', async () => {
    const refused = expect.objectContaining({ code: 'BAD_PAYLOAD', message: expect.stringMatching(/^label: /) });
    await expect(labelsInDirectCall('a'.repeat(129))).rejects.toEqual(refused);
    await expect(labelsInDirectCall('half of a pair: \ud83d')).rejects.toEqual(refused);
    expect((await labelsInDirectCall('a'.repeat(128) + '\u200B')).own).toBe('a'.repeat(128));
  });

  test('whose reply is lost is repeated under the same id', async () => {
    const { session, media, me } = await joinedRoom();
    const publishingOnce = media.localPublications.publish(track(), {});
    const first = await session.nth('publish', 1);
    first.fail('UNAVAILABLE');
    const second = await session.nth('publish', 2);
    expect(second.payload['publicationId']).toBe(first.payload['publicationId']);
    second.reply(published(second.payload, me.id));
    expect((await publishingOnce).id).toBe(first.payload['publicationId']);
  });

  test('in flight while the grant publish is lost rejects with FORBIDDEN and leaves no publication', async () => {
    const { state, session, media, me } = await joinedRoom();
    const publishingOnce = media.localPublications.publish(track(), {});
    const request = await session.nth('publish', 1);
    state.setGrants(me.id, ['subscribe']);
    request.reply(published(request.payload, me.id));
    await expect(publishingOnce).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(state.localPublications.size).toBe(0);
  });

  test('in flight while the room is left rejects with NOT_IN_ROOM', async () => {
    const { state, session, media, me } = await joinedRoom();
    const publishingOnce = media.localPublications.publish(track(), {});
    const request = await session.nth('publish', 1);
    state.close(undefined);
    request.reply(published(request.payload, me.id));
    await expect(publishingOnce).rejects.toMatchObject({ code: 'NOT_IN_ROOM' });
    expect(state.localPublications.size).toBe(0);
  });
});

describe('publications of a session that ended', () => {
  test('are published in the next session, also when publishing in one before it failed', async () => {
    const { state, session, media, me, publication } = await publishing();
    const { id } = publication;
    session.answers.set('publish', () => Promise.reject(new FlotillaError('RATE_LIMITED')));
    media.localPublications.sessionEnded();
    await expect(media.localPublications.republishInNewSession()).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect(state.localPublications.size).toBe(0);
    session.answers.set('publish', (payload) => published(payload, me.id));
    media.localPublications.sessionEnded();
    await media.localPublications.republishInNewSession();
    expect([...state.localPublications.values()]).toEqual([publication]);
    expect(publication.id).not.toBe(id);
  });
});

describe('publications of a session whose grant publish is lost', () => {
  test('are not published in the next session, and others are when it has the grant again', async () => {
    const { state, session, media, me, publication } = await publishing();
    media.localPublications.sessionEnded();
    state.setGrants(me.id, ['subscribe']);
    await media.localPublications.republishInNewSession();
    expect([session.of('publish').length, state.localPublications.size, publication.unpublished]).toEqual([1, 0, true]);
    state.setGrants(me.id, ['publish', 'subscribe']);
    await media.localPublications.publish(track('another'), {});
    expect(state.localPublications.size).toBe(1);
  });
});

describe('LocalPublication.unpublish', () => {
  test('while media is being reopened withdraws what is published meanwhile', async () => {
    const { state, session, media, me, publication } = await publishing();
    session.answers.delete('publish');
    session.answers.set('open_media', () => mediaOn('reopened'));
    media.sfu.reopen();
    const republished = await session.nth('publish', 2);
    expect(republished.payload['publicationId']).toBe(publication.id);
    const unpublished = publication.unpublish();
    (await session.nth('unpublish', 1)).reply();
    await unpublished;
    republished.reply(published(republished.payload, me.id));
    (await session.nth('unpublish', 2)).reply();
    expect(state.localPublications.size).toBe(0);
  });

  test('called twice sends one request', async () => {
    const { session, publication } = await publishing();
    const done = [publication.unpublish(), publication.unpublish()];
    (await session.nth('unpublish', 1)).reply();
    await Promise.all(done);
    expect(session.of('unpublish')).toHaveLength(1);
  });

  test('while the node lost the media is delivered once it is reopened', async () => {
    const { session, publication } = await publishing();
    const unpublished = publication.unpublish();
    (await session.nth('unpublish', 1)).fail('MEDIA_NOT_OPEN');
    (await session.nth('unpublish', 2)).reply();
    await unpublished;
  });
});

describe('a track replaced while its publication moves to another link', () => {
  test('is the one that the new producer sends', async () => {
    const { session, media, me, device, publication } = await publishing();
    session.answers.delete('publish');
    session.answers.set('open_media', () => mediaOn('reopened'));
    media.sfu.reopen();
    const republished = await session.nth('publish', 2);
    await publication.replaceTrack(track('second'));
    republished.reply(published(republished.payload, me.id));
    await vi.waitFor(() => expect(device.transport('reopened send').producers[0]?.track.id).toBe('second'));
    expect(publication.track?.id).toBe('second');
  });
});
