import { roomStream } from '@flotilla/bus';
import { newId, participantIdOf } from '@flotilla/contracts';
import { type MetadataClient, notYet, participantClaims, waitFor } from '@flotilla/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { fleets, Harness } from './harness.ts';

describe.each(Object.entries(fleets))('retained values over %s', (_name, open) => {
  let harness: Harness;
  afterEach(() => harness.stop());

  const stored = async (): Promise<string[]> =>
    (await harness.backplane.store.relays.retained(harness.room.id)).map(({ topic }) => topic).toSorted();
  const storeHas = (...topics: string[]): Promise<unknown> =>
    waitFor('the values in the store', async () => {
      const found = await stored();
      return found.join() === topics.join() || notYet(`it has ${found.join()}`);
    });
  const retain = async (client: MetadataClient, topic: string): Promise<void> => {
    await client.publish(topic, { mode: 'reliable', retain: true });
    client.send(topic, topic, { channel: 'reliable', retain: true });
  };
  const refresh = (sessionId: string, grants: readonly ('publish' | 'subscribe')[]): Promise<unknown> =>
    harness.backplane.store.sessions.refresh(
      sessionId,
      `hash-of-${sessionId}`,
      { id: newId('session'), keptUntil: Date.now() + 60_000 },
      { ...participantClaims(), grants: [...grants] },
    );
  /** The topics of which a newcomer at a relay is sent values. */
  const sentToNewcomer = async (relayId: string): Promise<string[]> => {
    const newcomer = await harness.client(relayId);
    await newcomer.subscribe('*');
    // Its own message follows them, as the channel is ordered.
    await newcomer.publish('end', { mode: 'reliable' });
    newcomer.send('end', 'end', { channel: 'reliable' });
    await newcomer.frame('its own message', ({ body }) => body.case === 'shard' && body.value.topic === 'end');
    await newcomer.disconnect();
    return newcomer.frames
      .flatMap(({ body, stamp }) => (body.case === 'shard' && stamp!.retained ? [body.value.topic] : []))
      .toSorted();
  };
  const relayHas = (relayId: string, ...topics: string[]): Promise<unknown> =>
    waitFor(`the values at ${relayId}`, async () => {
      const found = await sentToNewcomer(relayId);
      return found.join() === topics.join() || notYet(`it has ${found.join()}`);
    });

  test('of a banned user are deleted at every relay and in the store, also what an earlier session of it left', async () => {
    harness = await Harness.start(open, ['rl_a', 'rl_b']);
    const { rooms } = harness.backplane.store;
    const [before, now] = [newId('session'), newId('session')];
    const honest = await harness.client('rl_b');
    const earlier = await harness.client('rl_a', { sessionId: before, userId: 'eve' });
    const eve = await harness.client('rl_a', { sessionId: now, userId: 'eve' });
    await retain(honest, 'marker');
    await retain(earlier, 'earlier');
    await retain(eve, 'abuse');
    await storeHas('abuse', 'earlier', 'marker');
    earlier.close();
    await rooms.leave(harness.room.id, participantIdOf(before), 'left');
    for (const relay of ['rl_a', 'rl_b']) await relayHas(relay, 'abuse', 'earlier', 'marker');
    await rooms.remove(harness.room.id, participantIdOf(now), { userId: 'eve', seconds: 60 });
    for (const relay of ['rl_a', 'rl_b']) await relayHas(relay, 'marker');
    await storeHas('marker');
  });

  test('end with the grant publish, and may begin again with it', async () => {
    harness = await Harness.start(open, ['rl_a']);
    const sessionId = newId('session');
    const honest = await harness.client('rl_a');
    const bob = await harness.client('rl_a', { sessionId, userId: 'bob' });
    await retain(honest, 'marker');
    await retain(bob, 'state');
    await relayHas('rl_a', 'marker', 'state');
    await refresh(sessionId, ['subscribe']);
    await relayHas('rl_a', 'marker');
    await storeHas('marker');
    await refresh(sessionId, ['publish', 'subscribe']);
    const again = await harness.client('rl_a', { sessionId, userId: 'bob' });
    await retain(again, 'state');
    await relayHas('rl_a', 'marker', 'state');
    await storeHas('marker', 'state');
  });

  test('of a participant that is removed while no relay has the room are not there when one opens it again', async () => {
    harness = await Harness.start(open, ['rl_a']);
    const { rooms } = harness.backplane.store;
    const sessionId = newId('session');
    const eve = await harness.client('rl_a', { sessionId, userId: 'eve' });
    const honest = await harness.client('rl_a');
    await retain(eve, 'abuse');
    await retain(honest, 'marker');
    await storeHas('abuse', 'marker');
    for (const client of [eve, honest]) await client.disconnect();
    await rooms.remove(harness.room.id, participantIdOf(sessionId), undefined);
    await harness.startRelay('rl_b');
    await relayHas('rl_b', 'marker');
    expect(await stored()).toEqual(['marker']);
  });

  test('of a participant whose removal a relay missed are deleted when it resynchronises', async () => {
    harness = await Harness.start(open, []);
    const { events, store } = harness.backplane;
    const subscribe = events.subscribe.bind(events);
    let isDeaf = false;
    const missed: (() => void)[] = [];
    events.subscribe = (stream, after, onEntries, onMissed) => {
      if (stream !== roomStream(harness.room.id)) return subscribe(stream, after, onEntries, onMissed);
      if (onMissed) missed.push(onMissed);
      return subscribe(stream, after, (entries) => isDeaf || onEntries(entries), onMissed);
    };
    await harness.startRelay('rl_a');
    const sessionId = newId('session');
    await retain(await harness.client('rl_a', { sessionId, userId: 'eve' }), 'abuse');
    await retain(await harness.client('rl_a'), 'marker');
    await storeHas('abuse', 'marker');
    isDeaf = true;
    await store.rooms.remove(harness.room.id, participantIdOf(sessionId), undefined);
    await relayHas('rl_a', 'abuse', 'marker');
    isDeaf = false;
    for (const tell of missed) tell();
    await relayHas('rl_a', 'marker');
    expect(await stored()).toEqual(['marker']);
  });

  test('of a publisher at another relay are kept by one that missed that it got the grant publish again', async () => {
    harness = await Harness.start(open, []);
    const { events, store } = harness.backplane;
    const subscribe = events.subscribe.bind(events);
    let isDeaf = false;
    let tellMissed = (): void => undefined;
    events.subscribe = (stream, after, onEntries, onMissed) => {
      if (stream !== roomStream(harness.room.id)) return subscribe(stream, after, onEntries, onMissed);
      tellMissed = onMissed!;
      return subscribe(stream, after, (entries) => isDeaf || onEntries(entries), onMissed);
    };
    await harness.startRelay('rl_a');
    await retain(await harness.client('rl_a'), 'marker');
    events.subscribe = subscribe;
    await harness.startRelay('rl_b');
    const sessionId = newId('session');
    await retain(await harness.client('rl_b', { sessionId, userId: 'bob' }), 'state');
    await relayHas('rl_a', 'marker', 'state');
    await refresh(sessionId, ['subscribe']);
    await relayHas('rl_a', 'marker');
    isDeaf = true;
    await refresh(sessionId, ['publish', 'subscribe']);
    // A link that is being opened keeps the room open, while the others are closed.
    const memberAt = store.rooms.memberAt.bind(store.rooms);
    const opened = Promise.withResolvers<void>();
    let isOpening = false;
    store.rooms.memberAt = async (...participant) => {
      store.rooms.memberAt = memberAt;
      isOpening = true;
      await opened.promise;
      return memberAt(...participant);
    };
    const outcome = harness.client('rl_a').then(
      () => 'opened',
      () => 'closed',
    );
    await waitFor('a link that is being opened', () => isOpening || notYet('there is none'));
    isDeaf = false;
    tellMissed();
    await retain(await harness.client('rl_b', { sessionId, userId: 'bob' }), 'again');
    await relayHas('rl_a', 'again', 'marker');
    opened.resolve();
    expect(await outcome).toBe('closed');
  });

  describe('of a participant whose connection dropped', () => {
    const large = Buffer.alloc(64_000, 'x');
    const topics = Array.from({ length: 16 }, (_, index) => `t${index}`).toSorted();
    /** Fills what a user may have, as a participant that has lost its signaling connection since. */
    const leaveBehind = async (userId: string): Promise<void> => {
      const sessionId = newId('session');
      const client = await harness.client('rl_a', { sessionId, userId });
      for (const topic of topics) {
        await client.publish(topic, { mode: 'reliable', retain: true });
        client.send(topic, large, { channel: 'reliable', retain: true });
      }
      await storeHas(...topics);
      await client.disconnect();
      await harness.backplane.store.sessions.detach(sessionId, `hash-of-${sessionId}`, 60_000);
    };
    const storeGets = (client: MetadataClient): Promise<unknown> =>
      waitFor('the new value in the store', async () => {
        client.send('new', large, { channel: 'reliable', retain: true });
        return (await stored()).includes('new') || notYet('it is not there');
      });

    test('make room for those of the next participant of its user', async () => {
      harness = await Harness.start(open, ['rl_a']);
      const next = await harness.client('rl_a', { userId: 'eve' });
      await next.publish('new', { mode: 'reliable', retain: true });
      await leaveBehind('eve');
      await storeGets(next);
      expect(await stored()).not.toEqual(expect.arrayContaining(topics));
    });

    test('make room likewise at a relay that opens the room after that', async () => {
      harness = await Harness.start(open, ['rl_a', 'rl_b']);
      await leaveBehind('eve');
      const next = await harness.client('rl_b', { userId: 'eve' });
      await next.publish('new', { mode: 'reliable', retain: true });
      await storeGets(next);
      expect(await stored()).not.toEqual(expect.arrayContaining(topics));
    });
  });

  test('that are unpublished are deleted at the other relays, too', async () => {
    harness = await Harness.start(open, ['rl_a', 'rl_b']);
    const [ada, bob] = [await harness.client('rl_a'), await harness.client('rl_b')];
    await retain(bob, 'marker');
    await retain(ada, 'state');
    await relayHas('rl_b', 'marker', 'state');
    await ada.unpublish('state');
    await relayHas('rl_b', 'marker');
  });
});
