import { newId, type Publication } from '@flotilla/contracts';
import { describe, expect, test, vi } from 'vitest';
import { joinedRoom, mediaOn, publicationOf, published, subscriptionTo, track } from './kit/joined-room.ts';

/** A room in which one microphone is published and one is received, and which the server starts to migrate. */
async function migrating() {
  const room = await joinedRoom();
  const { state, session, media, me, announce } = room;
  const received = announce();
  (await session.nth('subscribe', 1)).reply({ subscriptions: [subscriptionTo(received, 'old consumer')], failed: [] });
  session.answers.set('publish', (payload) => published(payload, me.id));
  const publication = await media.localPublications.publish(track(), {});
  session.answers.delete('publish');
  session.answers.set('migration_failed', () => ({}));
  session.answers.set('migration_report', () => ({}));
  const migrationId = newId('migration');
  const [done, failed] = [room.record('migrated'), room.record('migrationFailed')];
  const previous = media.sfu.links.current!;
  const ended = media.sfu.migrate({
    migrationId,
    media: mediaOn('new', [subscriptionTo(received, 'new consumer')]),
    deadline: Date.now() + 10_000,
    reason: 'drain',
  });
  const remote = (): Publication & { trackId: string | undefined } => ({
    ...received,
    trackId: state.findPublication(received.id)?.track?.id,
  });
  return { ...room, publication, received, remote, migrationId, previous, ended, done, failed };
}

/** The same room when the commit was sent and is not answered. */
async function committing() {
  const room = await migrating();
  const republished = await room.session.nth('publish', 2);
  republished.reply(published(republished.payload, room.me.id));
  return { ...room, commit: await room.session.nth('migrated', 1) };
}

describe('a migration', () => {
  test('commits only after everything is published on the new node and acknowledged', async () => {
    const { session, me, publication, migrationId, ended, done, media } = await migrating();
    const republished = await session.nth('publish', 2);
    expect(republished.payload).toMatchObject({ migrationId, publicationId: publication.id });
    expect(session.of('migrated')).toHaveLength(0);
    republished.reply(published(republished.payload, me.id));
    (await session.nth('migrated', 1)).reply();
    await ended;
    expect(done).toEqual([[expect.objectContaining({ fromNode: 'old', toNode: 'new' })]]);
    expect(media.sfu.links.current?.nodeId).toBe('new');
  });

  test('repeats the publishing on the new node whose reply is lost', async () => {
    const { session, me, ended, done } = await migrating();
    (await session.nth('publish', 2)).fail('UNAVAILABLE');
    const again = await session.nth('publish', 3);
    again.reply(published(again.payload, me.id));
    (await session.nth('migrated', 1)).reply();
    await ended;
    expect(done).toHaveLength(1);
  });

  test('continues after a reconnect in the middle of it', async () => {
    const { state, session, me, ended, done } = await migrating();
    const lost = await session.nth('publish', 2);
    state.setConnection('reconnecting');
    lost.fail('UNAVAILABLE');
    state.setConnection('connected');
    const again = await session.nth('publish', 3);
    again.reply(published(again.payload, me.id));
    const commit = await session.nth('migrated', 1);
    state.setConnection('reconnecting');
    commit.fail('UNAVAILABLE');
    state.setConnection('connected');
    (await session.nth('migrated', 2)).reply();
    await ended;
    expect(done).toHaveLength(1);
  });

  test('that is refused before the commit leaves the previous node as it was', async () => {
    const { session, media, publication, previous, ended, failed, device } = await migrating();
    const sender = publication.sender;
    (await session.nth('publish', 2)).fail('MEDIA_UNSUPPORTED');
    await ended;
    expect(failed).toEqual([[expect.objectContaining({ code: 'MEDIA_UNSUPPORTED' })]]);
    expect(session.of('migration_failed')).toHaveLength(1);
    expect(media.sfu.links.current).toBe(previous);
    expect(publication.sender).toBe(sender);
    expect(device.transport('new send').connectionState).toBe('closed');
  });
});

describe('a migration with a video that has no frames on the new node', () => {
  const withVideo = async () => {
    const room = await joinedRoom();
    const { session, media, other, announce } = room;
    const video: Publication = { ...publicationOf(other.id), kind: 'video', source: 'camera', codec: 'video/VP8' };
    announce(video);
    (await session.nth('subscribe', 1)).reply({ subscriptions: [subscriptionTo(video, 'old consumer')], failed: [] });
    for (const type of ['migration_failed', 'migration_report', 'migrated'] as const)
      session.answers.set(type, () => ({}));
    vi.spyOn(room.device, 'createRecvTransport').mockImplementation(({ id }) => {
      const transport = room.device.createSendTransport({ id });
      const consume = transport.consume.bind(transport);
      transport.consume = async (options) => {
        const consumer = await consume(options);
        consumer.getStats = async () => new Map();
        return consumer;
      };
      return transport;
    });
    const [done, failed] = [room.record('migrated'), room.record('migrationFailed')];
    const ended = media.sfu.migrate({
      migrationId: newId('migration'),
      media: mediaOn('new', [subscriptionTo(video, 'new consumer')]),
      deadline: Date.now() + 10_000,
      reason: 'drain',
    });
    return { ...room, video, ended, done, failed };
  };

  test('commits without it when that node has paused it for bandwidth', async () => {
    const { media, video, ended, done } = await withVideo();
    media.sfu.subscriptionsLimited('new recv', [video.id]);
    await ended;
    expect(done).toHaveLength(1);
    expect(media.sfu.links.current?.nodeId).toBe('new');
  });

  test('fails when that node has not paused it', async () => {
    vi.useFakeTimers();
    try {
      const { ended, failed } = await withVideo();
      await vi.advanceTimersByTimeAsync(7000);
      await ended;
      expect(failed).toEqual([[expect.objectContaining({ code: 'NODE_UNAVAILABLE' })]]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('the commit of a migration', () => {
  test.for(['DEADLINE_EXCEEDED', 'UNAVAILABLE', 'INTERNAL'] as const)(
    'answered %s is repeated, and the new side is kept',
    async (code) => {
      const { session, media, commit, ended, done, device, remote } = await committing();
      commit.fail(code);
      (await session.nth('migrated', 2)).reply();
      await ended;
      expect(done).toHaveLength(1);
      expect(media.sfu.links.current?.nodeId).toBe('new');
      expect(device.transport('new send').connectionState).toBe('connected');
      expect(remote().trackId).toBe('track of new consumer');
    },
  );

  test('refused with MIGRATION_NOT_ACTIVE returns to the previous node', async () => {
    const { session, media, commit, ended, failed, device, remote, previous } = await committing();
    commit.fail('MIGRATION_NOT_ACTIVE');
    await ended;
    expect(failed).toEqual([[expect.objectContaining({ code: 'MIGRATION_NOT_ACTIVE' })]]);
    expect(media.sfu.links.current).toBe(previous);
    expect(previous.closed).toBe(false);
    expect(device.transport('new send').connectionState).toBe('closed');
    expect(remote().trackId).toBe('track of old consumer');
    expect(session.of('migration_failed')).toHaveLength(0);
  });

  test('refused with MIGRATION_NOT_ACTIVE after the server announced the commit keeps the new side', async () => {
    const { media, commit, migrationId, ended, done } = await committing();
    media.sfu.migrationCommitted(migrationId);
    commit.fail('MIGRATION_NOT_ACTIVE');
    await ended;
    expect(done).toHaveLength(1);
    expect(media.sfu.links.current?.nodeId).toBe('new');
  });

  test('whose reply never arrives ends when the server announces the commit', async () => {
    const { media, migrationId, ended, done } = await committing();
    media.sfu.migrationCommitted(migrationId);
    await ended;
    expect(done).toHaveLength(1);
  });

  test('not announced by the server ends when the media is lost, and the media is reopened', async () => {
    const { session, media, ended, failed } = await committing();
    media.sfu.reopen();
    await ended;
    expect(failed).toEqual([[expect.objectContaining({ code: 'MEDIA_NOT_OPEN' })]]);
    await session.nth('open_media', 1);
  });

  test('ends with migration_rolled_back on the previous node', async () => {
    const { media, migrationId, ended, failed, previous } = await committing();
    media.sfu.migrationRolledBack(migrationId);
    await ended;
    expect(failed).toHaveLength(1);
    expect(media.sfu.links.current).toBe(previous);
  });

  test('rolled back by the server while it publishes on the new node fails with MIGRATION_NOT_ACTIVE', async () => {
    const { session, media, ended, failed, migrationId } = await migrating();
    const republished = await session.nth('publish', 2);
    media.sfu.migrationRolledBack(migrationId);
    republished.fail('UNAVAILABLE');
    await ended;
    expect(failed).toEqual([[expect.objectContaining({ code: 'MIGRATION_NOT_ACTIVE' })]]);
    expect(media.sfu.links.current?.nodeId).toBe('old');
  });

  test('keeps what was muted meanwhile muted on the previous node when it is rolled back', async () => {
    const { session, migrationId, media, ended, publication } = await committing();
    void publication.mute();
    (await session.nth('mute', 1)).reply();
    media.sfu.migrationRolledBack(migrationId);
    await ended;
    expect((await session.nth('mute', 2)).payload).toEqual({ publicationId: publication.id, muted: true });
    expect((publication.sender as unknown as { paused: boolean }).paused).toBe(true);
  });
});

describe('media lost during a migration', () => {
  test('on the new node fails the migration, and leaves the previous node as it was', async () => {
    const { session, media, previous, ended, failed } = await migrating();
    const publishing = await session.nth('publish', 2);
    media.sfu.mediaLost('new');
    publishing.fail('MEDIA_NOT_OPEN');
    await ended;
    expect(failed).toEqual([[expect.objectContaining({ code: 'MEDIA_NOT_OPEN' })]]);
    expect(session.of('migration_failed')).toHaveLength(1);
    expect(media.sfu.links.current).toBe(previous);
    expect(session.of('open_media')).toHaveLength(0);
  });

  test('on the previous node during the commit is not reopened when the new node is committed', async () => {
    const { session, media, commit, ended, done } = await committing();
    media.sfu.mediaLost('old');
    commit.reply();
    await ended;
    expect(done).toHaveLength(1);
    expect(media.sfu.links.current?.nodeId).toBe('new');
    expect(session.of('open_media')).toHaveLength(0);
  });

  test('on the previous node during the commit is reopened when the migration is refused', async () => {
    const { session, media, commit, ended } = await committing();
    media.sfu.mediaLost('old');
    commit.fail('MIGRATION_NOT_ACTIVE');
    await ended;
    await session.nth('open_media', 1);
  });

  test.for(['old', undefined])('on the node of the session, named as %s, is reopened', async (nodeId) => {
    const { session, media, ended } = await migrating();
    media.sfu.mediaLost(nodeId);
    await ended;
    await session.nth('open_media', 1);
  });
});

describe('a publication changed during a migration', () => {
  test('is muted on both nodes when it is published on both', async () => {
    const { session, me, publication, migrationId, ended } = await migrating();
    const republished = await session.nth('publish', 2);
    void publication.mute();
    (await session.nth('mute', 1)).reply();
    republished.reply(published(republished.payload, me.id));
    const onNewNode = await session.nth('mute', 2);
    expect(onNewNode.payload).toEqual({ publicationId: publication.id, muted: true, migrationId });
    onNewNode.reply();
    (await session.nth('migrated', 1)).reply();
    await ended;
    expect((publication.sender as unknown as { paused: boolean }).paused).toBe(true);
  });

  test('unpublished while it is published on the new node is withdrawn there too', async () => {
    const { session, me, publication, migrationId, ended, state } = await migrating();
    const republished = await session.nth('publish', 2);
    void publication.unpublish();
    (await session.nth('unpublish', 1)).reply();
    republished.reply(published(republished.payload, me.id));
    await vi.waitFor(() => {
      const withdrawn = session.of('unpublish').find(({ payload }) => payload['migrationId'] === migrationId);
      withdrawn!.reply();
    });
    (await session.nth('migrated', 1)).reply();
    await ended;
    expect(state.localPublications.size).toBe(0);
  });

  test('first published on the previous node while the session changes over is published on the new node', async () => {
    const { session, me, media, ended } = await migrating();
    const republished = await session.nth('publish', 2);
    const publishing = media.localPublications.publish(track('late'), { source: 'other' });
    const late = await session.nth('publish', 3);
    republished.reply(published(republished.payload, me.id));
    (await session.nth('migrated', 1)).reply();
    await ended;
    late.reply(published(late.payload, me.id));
    const again = await session.nth('publish', 4);
    expect(again.payload['publicationId']).toBe(late.payload['publicationId']);
    again.reply(published(again.payload, me.id));
    expect((await publishing).sender).toBe(media.sfu.links.current?.producer(again.payload['publicationId'] as string));
  });
});

describe('subscriptions that a node closes during a migration', () => {
  test('on the node that is left are requested again when the migration fails', async () => {
    const { session, media, received, ended, remote } = await migrating();
    const publish = await session.nth('publish', 2);
    media.sfu.subscriptionsEnded('old', [received.id]);
    publish.fail('MEDIA_UNSUPPORTED');
    await ended;
    const again = await session.nth('subscribe', 2);
    expect(again.payload['publicationIds']).toEqual([received.id]);
    again.reply({ subscriptions: [subscriptionTo(received, 'again')], failed: [] });
    await vi.waitFor(() => expect(remote().trackId).toBe('track of again'));
  });

  test('on the new node are requested again after the commit', async () => {
    const { session, media, me, received, ended, remote } = await migrating();
    const publish = await session.nth('publish', 2);
    media.sfu.subscriptionsEnded('new', [received.id]);
    publish.reply(published(publish.payload, me.id));
    (await session.nth('migrated', 1)).reply();
    await ended;
    const again = await session.nth('subscribe', 2);
    again.reply({ subscriptions: [subscriptionTo(received, 'again')], failed: [] });
    await vi.waitFor(() => expect(remote().trackId).toBe('track of again'));
  });
});

describe('a camera that is changed while its session is migrated', () => {
  test('is published on the new node when its next track arrives after the commit', async () => {
    const { session, me, publication, ended } = await migrating();
    Object.assign(publication.track!, { readyState: 'ended' });
    (await session.nth('migrated', 1)).reply();
    await ended;
    session.answers.set('publish', (payload) => published(payload, me.id));
    await publication.replaceTrack(track('next'));
    expect(session.of('publish').at(-1)!.payload).toMatchObject({ publicationId: publication.id });
    expect(publication.track?.id).toBe('next');
  });

  test('sends through the node that it stays on when it was published during a migration that fails', async () => {
    const { session, me, media, previous, ended } = await migrating();
    const first = await session.nth('publish', 2);
    session.answers.set('publish', (payload) => published(payload, me.id));
    const added = await media.localPublications.publish(track('added'), {});
    first.fail('MEDIA_UNSUPPORTED');
    await ended;
    expect(added.sender).toBe(previous.producer(added.id));
  });
});

describe('lost media', () => {
  test('is requested for as long as a session can be resumed, however long signaling is away', async () => {
    vi.useFakeTimers();
    try {
      const { state, session, media } = await joinedRoom();
      state.setConnection('reconnecting');
      media.sfu.reopen();
      await vi.advanceTimersByTimeAsync(0);
      session.of('open_media')[0]!.fail('UNAVAILABLE');
      await vi.advanceTimersByTimeAsync(60_000);
      expect(state.isOpen).toBe(true);
      state.setConnection('connected');
      await vi.advanceTimersByTimeAsync(0);
      session.of('open_media')[1]!.reply(mediaOn('reopened'));
      await vi.advanceTimersByTimeAsync(0);
      expect(media.sfu.links.current?.nodeId).toBe('reopened');
    } finally {
      vi.useRealTimers();
    }
  });

  test('is requested again when the node that it was opened on loses it before everything is published there', async () => {
    const { session, media, me } = await joinedRoom();
    session.answers.set('publish', (payload) => published(payload, me.id));
    await media.localPublications.publish(track(), {});
    session.answers.delete('publish');
    media.sfu.mediaLost('old');
    (await session.nth('open_media', 1)).reply(mediaOn('new', []));
    const republished = await session.nth('publish', 2);
    media.sfu.mediaLost('new');
    republished.reply(published(republished.payload, me.id));
    await session.nth('open_media', 2);
  });

  test('is not requested once a new session has opened media', async () => {
    const { session, media, record, state } = await joinedRoom();
    const changes = record('mediaChanged');
    media.sfu.reopen();
    const request = await session.nth('open_media', 1);
    await media.use(mediaOn('of the new session'));
    request.fail('UNAVAILABLE');
    await vi.waitFor(() => expect(changes).toEqual([['lost'], ['restored']]));
    expect([session.of('open_media').length, media.sfu.links.current?.nodeId, state.isOpen]).toEqual([
      1,
      'of the new session',
      true,
    ]);
  });

  test('is not restored when the grants for media are lost meanwhile', async () => {
    const { state, session, media, me, record } = await joinedRoom();
    const changes = record('mediaChanged');
    media.sfu.reopen();
    const request = await session.nth('open_media', 1);
    state.setGrants(me.id, ['data']);
    expect(media.sfu.links.current).toBeUndefined();
    request.fail('FORBIDDEN');
    await vi.waitFor(() => expect(media.sfu.isReopening).toBe(false));
    expect([changes, state.isOpen]).toEqual([[['lost']], true]);
  });
});
