import { describe, expect, test, vi } from 'vitest';
import { joinedRoom, mediaOn, publicationOf, subscriptionTo } from './kit/joined-room.ts';

describe('RemotePublication.subscribe and unsubscribe', () => {
  test('toggled while a request is in flight end in the state of the last call, with one request at a time', async () => {
    const { state, session, announce } = await joinedRoom({ subscribe: false });
    const announced = announce();
    const publication = state.findPublication(announced.id)!;
    const done = [publication.subscribe()];
    const subscribe = await session.nth('subscribe', 1);
    done.push(publication.unsubscribe());
    expect(session.of('unsubscribe')).toHaveLength(0);
    subscribe.reply({ subscriptions: [subscriptionTo(announced)], failed: [] });
    (await session.nth('unsubscribe', 1)).reply();
    await Promise.all(done);
    expect(publication.track).toBeUndefined();
    expect(session.requests.map(({ type }) => type)).toEqual(['subscribe', 'unsubscribe']);
  });

  test('toggled back while unsubscribing subscribes again', async () => {
    const { state, session, announce } = await joinedRoom({ subscribe: false });
    const announced = announce();
    const publication = state.findPublication(announced.id)!;
    const subscribed = publication.subscribe();
    (await session.nth('subscribe', 1)).reply({ subscriptions: [subscriptionTo(announced)], failed: [] });
    await subscribed;
    const done = [publication.unsubscribe()];
    const unsubscribe = await session.nth('unsubscribe', 1);
    done.push(publication.subscribe());
    unsubscribe.reply();
    (await session.nth('subscribe', 2)).reply({ subscriptions: [subscriptionTo(announced, 'second')], failed: [] });
    await Promise.all(done);
    expect(publication.track?.id).toBe('track of second');
  });

  test('called repeatedly in one turn send nothing when nothing changes', async () => {
    const { state, session, announce } = await joinedRoom({ subscribe: false });
    const publication = state.findPublication(announce().id)!;
    await Promise.all([publication.subscribe(), publication.unsubscribe()]);
    expect(session.requests).toEqual([]);
  });

  test('rejects when the client cannot receive the publication', async () => {
    const { state, session, announce } = await joinedRoom({ subscribe: false });
    const { id } = announce();
    const subscribed = state.findPublication(id)!.subscribe();
    const error = { code: 'MEDIA_UNSUPPORTED', message: 'no such codec' };
    (await session.nth('subscribe', 1)).reply({ subscriptions: [], failed: [{ publicationId: id, error }] });
    await expect(subscribed).rejects.toMatchObject({ code: 'MEDIA_UNSUPPORTED' });
  });

  test('is retried when the reply is lost', async () => {
    const { state, session, announce } = await joinedRoom();
    const announced = announce();
    (await session.nth('subscribe', 1)).fail('DEADLINE_EXCEEDED');
    (await session.nth('subscribe', 2)).reply({ subscriptions: [subscriptionTo(announced)], failed: [] });
    await vi.waitFor(() => expect(state.findPublication(announced.id)?.track).toBeDefined());
  });

  test('is received over new transports when the browser fails to consume it', async () => {
    const { state, session, device, announce } = await joinedRoom();
    const announced = announce();
    const recv = device.transport('old recv');
    vi.spyOn(recv, 'consume').mockRejectedValueOnce(new Error('no transceiver'));
    (await session.nth('subscribe', 1)).reply({ subscriptions: [subscriptionTo(announced)], failed: [] });
    (await session.nth('open_media', 1)).reply(mediaOn('reopened', [subscriptionTo(announced)]));
    await vi.waitFor(() => expect(state.findPublication(announced.id)?.track).toBeDefined());
  });

  test('resolves when the room is closed', async () => {
    const { state, session, announce } = await joinedRoom({ subscribe: false });
    const subscribed = state.findPublication(announce().id)!.subscribe();
    await session.nth('subscribe', 1);
    state.close(undefined);
    await subscribed;
  });
});

describe('automatic subscriptions', () => {
  test('are requested together for what is announced in one turn, at most 64 in a request', async () => {
    const { session, other, announce } = await joinedRoom();
    for (let count = 0; count < 100; count++) announce(publicationOf(other.id));
    await session.nth('subscribe', 2);
    expect(session.of('subscribe').map(({ payload }) => (payload['publicationIds'] as string[]).length)).toEqual([
      64, 36,
    ]);
  });
});

describe('a publication whose request the previous node never answers', () => {
  test('is requested from the node that media moved to at once', async () => {
    const { state, session, media, announce } = await joinedRoom();
    const announced = announce();
    await session.nth('subscribe', 1);
    await media.use(mediaOn('new'));
    (await session.nth('subscribe', 2)).reply({ subscriptions: [subscriptionTo(announced)], failed: [] });
    await vi.waitFor(() => expect(state.findPublication(announced.id)?.track).toBeDefined());
    // The late failure of the first request changes nothing.
    session.of('subscribe')[0]!.fail('DEADLINE_EXCEEDED');
    const later = announce(publicationOf(announced.participantId));
    expect((await session.nth('subscribe', 3)).payload['publicationIds']).toEqual([later.id]);
  });
});

describe('RemotePublication.pause, resume and setLayers', () => {
  async function receiving() {
    const room = await joinedRoom();
    const announced = room.announce();
    (await room.session.nth('subscribe', 1)).reply({ subscriptions: [subscriptionTo(announced)], failed: [] });
    const publication = room.state.findPublication(announced.id)!;
    await vi.waitFor(() => expect(publication.track).toBeDefined());
    return { ...room, publication, announced };
  }

  test('toggled quickly send one request at a time and end with the last settings', async () => {
    const { session, publication } = await receiving();
    const done = [
      publication.pause(),
      publication.resume(),
      publication.setLayers({ spatial: 1 }),
      publication.pause(),
    ];
    (await session.nth('update_subscriptions', 1)).reply();
    const last = await session.nth('update_subscriptions', 2);
    last.reply();
    await Promise.all(done);
    expect(last.payload).toMatchObject({ paused: true, layers: { spatial: 1 } });
    expect(session.of('update_subscriptions')).toHaveLength(2);
  });

  test('before the publication is received are sent with the subscription', async () => {
    const { state, session, announce } = await joinedRoom({ subscribe: false });
    const announced = announce();
    const publication = state.findPublication(announced.id)!;
    await publication.setLayers({ spatial: 0 });
    void publication.subscribe();
    const subscription = { ...subscriptionTo(announced), paused: true };
    (await session.nth('subscribe', 1)).reply({ subscriptions: [subscription], failed: [] });
    expect((await session.nth('update_subscriptions', 1)).payload).toMatchObject({
      paused: false,
      layers: { spatial: 0 },
    });
  });

  test('of a paused subscription do not resume it', async () => {
    const { session, publication } = await receiving();
    void publication.pause();
    (await session.nth('update_subscriptions', 1)).reply();
    void publication.setLayers({ spatial: 2 });
    expect((await session.nth('update_subscriptions', 2)).payload).toMatchObject({ paused: true });
  });
});

describe('a subscription whose start is not answered', () => {
  test('is requested again until it begins, with the others of its request', async () => {
    const { state, session, announce } = await joinedRoom();
    const [first, second] = [announce(), announce()];
    const paused = [first, second].map((each) => ({ ...subscriptionTo(each), paused: true }));
    (await session.nth('subscribe', 1)).reply({ subscriptions: paused, failed: [] });
    (await session.nth('update_subscriptions', 1)).fail('RATE_LIMITED');
    const again = await session.nth('subscribe', 2);
    expect(again.payload['publicationIds']).toEqual([first.id, second.id]);
    again.reply({ subscriptions: paused, failed: [] });
    (await session.nth('update_subscriptions', 2)).reply();
    await vi.waitFor(() => {
      for (const { id } of [first, second]) expect(state.findPublication(id)?.track).toBeDefined();
    });
  });

  test('does not hold up the others when it ended meanwhile', async () => {
    const { state, session, announce } = await joinedRoom();
    const [first, second] = [announce(), announce()];
    const paused = [first, second].map((each) => ({ ...subscriptionTo(each), paused: true }));
    (await session.nth('subscribe', 1)).reply({ subscriptions: paused, failed: [] });
    (await session.nth('update_subscriptions', 1)).fail('SUBSCRIPTION_NOT_FOUND');
    await vi.waitFor(() => expect(state.findPublication(second.id)?.track).toBeDefined());
  });
});

describe('subscriptions that start', () => {
  test('with the same settings share a request', async () => {
    const { state, session, announce } = await joinedRoom({ subscribe: false });
    const announced = Array.from({ length: 9 }, () => announce());
    for (const [index, { id }] of announced.entries()) {
      const publication = state.findPublication(id)!;
      if (index < 6) void publication.setLayers({ spatial: index % 2 });
      void publication.subscribe();
    }
    const subscriptions = announced.map((each) => ({ ...subscriptionTo(each), paused: true }));
    (await session.nth('subscribe', 1)).reply({ subscriptions, failed: [] });
    await session.nth('update_subscriptions', 3);
    const sent = session.of('update_subscriptions').map(({ payload }) => payload);
    expect(sent.map(({ publicationIds }) => (publicationIds as string[]).length)).toEqual([3, 3, 3]);
    expect(sent.map(({ layers }) => layers)).toEqual([{ spatial: 0 }, { spatial: 1 }, undefined]);
  });
});

describe('what fails while signaling is away', () => {
  test('is requested again once it is connected, also after its retries have ended', async () => {
    vi.useFakeTimers();
    try {
      const { state, session, announce } = await joinedRoom();
      const { id } = announce();
      await vi.advanceTimersByTimeAsync(1);
      state.setConnection('reconnecting');
      for (let answered = 0; answered < 7; answered++) {
        session.of('subscribe')[answered]!.fail('UNAVAILABLE');
        await vi.advanceTimersByTimeAsync(9000);
      }
      expect(session.of('subscribe')).toHaveLength(7);
      state.setConnection('connected');
      await vi.advanceTimersByTimeAsync(1);
      const again = session.of('subscribe')[7]!;
      again.reply({ subscriptions: [subscriptionTo(state.findPublication(id)!.announced)], failed: [] });
      await vi.advanceTimersByTimeAsync(1);
      expect(state.findPublication(id)?.track).toBeDefined();
    } finally {
      vi.useRealTimers();
    }
  });

  test('settings that were given up are sent', async () => {
    const { state, session, announce } = await joinedRoom();
    const announced = announce();
    (await session.nth('subscribe', 1)).reply({ subscriptions: [subscriptionTo(announced)], failed: [] });
    const publication = state.findPublication(announced.id)!;
    await vi.waitFor(() => expect(publication.track).toBeDefined());
    vi.useFakeTimers();
    try {
      state.setConnection('reconnecting');
      const paused = publication.pause().catch((error: unknown) => error);
      await vi.advanceTimersByTimeAsync(0);
      session.of('update_subscriptions')[0]!.fail('UNAVAILABLE');
      await vi.advanceTimersByTimeAsync(16_000);
      expect(await paused).toMatchObject({ code: 'UNAVAILABLE' });
      state.setConnection('connected');
      await vi.advanceTimersByTimeAsync(1);
      expect(session.of('update_subscriptions').at(-1)!.payload).toMatchObject({ paused: true });
      expect(session.of('update_subscriptions')).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });
});
