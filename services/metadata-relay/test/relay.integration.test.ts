import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { fleets, Harness } from './harness.ts';

describe.each(Object.entries(fleets))('metadata relay over %s', (_name, open) => {
  let harness: Harness;
  afterEach(() => harness.stop());

  test('of parallel connects to a relay for one link, one succeeds and the others get NO_CAPACITY', async () => {
    harness = await Harness.start(open, ['rl_a'], { FLOTILLA_RELAY_CAPACITY: '1' });
    const results = await Promise.allSettled([1, 2, 3].map(() => harness.client('rl_a')));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const refusals = results.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : []));
    expect(refusals.filter((refusal) => refusal.includes('NO_CAPACITY'))).toHaveLength(2);
  });

  test('a frame on a topic reaches its subscribers, stamped with the publisher id', async () => {
    harness = await Harness.start(open, ['rl_a']);
    const [ada, bob, eve] = [await harness.client(), await harness.client(), await harness.client()];
    expect(await ada.publish('cursor', { mode: 'adaptive' })).toEqual({
      name: 'cursor',
      mode: 'adaptive',
      retain: false,
    });
    expect(await bob.subscribe(['cursor'])).toEqual([{ name: 'cursor', mode: 'adaptive', retain: false }]);
    await eve.subscribe(['other']);
    const began = Date.now() * 1000;
    ada.send('cursor', 'here', { captureTime: 123 });
    const { body, stamp, channel } = await bob.frame('the frame', (frame) => frame.body.case === 'shard');
    expect(body.value).toMatchObject({ topic: 'cursor', seqId: 0, captureTime: 123 });
    expect(stamp!.publisherId).toMatch(/^pt_/);
    expect(stamp!.routedAt).toBeGreaterThan(began - 1e6);
    expect(channel).toBe('limited');
    expect(bob.texts('cursor')).toEqual(['here']);
    expect(eve.frames).toEqual([]);
  });

  test('a subscriber to all topics gets topics declared later, and no frames after it has unsubscribed', async () => {
    harness = await Harness.start(open, ['rl_a']);
    const [ada, bob, eve] = [await harness.client(), await harness.client(), await harness.client()];
    await bob.subscribe('*');
    await eve.subscribe('*');
    for (const [topic, mode] of [
      ['a', 'reliable'],
      ['b', 'unreliable'],
    ] as const) {
      await ada.publish(topic, { mode });
      ada.send(topic, topic, { channel: mode });
    }
    await waitFor('two frames', () => bob.frames.length === 2 || notYet(`there are ${bob.frames.length}`));
    await waitFor('two frames', () => eve.frames.length === 2 || notYet(`there are ${eve.frames.length}`));
    expect(bob.frames.map(({ channel }) => channel).sort()).toEqual(['reliable', 'unreliable']);
    await bob.unsubscribe('*');
    ada.send('a', 'more', { channel: 'reliable' });
    await waitFor('the frame at the other subscriber', () => eve.texts('a').length === 2 || notYet('not yet'));
    expect(bob.texts('a')).toEqual(['a']);
  });

  test('late subscribers get the last retained message of each publisher, in any number of frames', async () => {
    harness = await Harness.start(open, ['rl_a']);
    const [ada, bob] = [await harness.client(), await harness.client()];
    for (const client of [ada, bob]) await client.publish('state', { mode: 'reliable', retain: true });
    ada.send('state', 'old', { channel: 'reliable', retain: true });
    ada.send('state', Buffer.alloc(40_000, 'x'), { channel: 'reliable', retain: true });
    ada.send('state', 'not retained', { channel: 'reliable' });
    bob.send('state', 'of bob', { channel: 'reliable', retain: true });
    await waitFor('the messages in the store', async () => {
      const retained = await harness.backplane.store.relays.retained(harness.room.id);
      const seqIds = retained.map(({ seqId }) => seqId).toSorted((a, b) => a - b);
      if (seqIds.join() !== '0,1') notYet(`it has ${seqIds.join()}`);
    });
    const late = await harness.client();
    await late.subscribe(['state']);
    await waitFor('four frames', () => late.frames.length === 4 || notYet(`there are ${late.frames.length}`));
    expect(late.frames.every(({ stamp }) => stamp!.retained)).toBe(true);
    expect(
      late
        .texts('state')
        .filter((text) => text.startsWith('x'))
        .join(''),
    ).toHaveLength(40_000);
    expect(late.texts('state')).toContain('of bob');
    await ada.unpublish('state');
    const later = await harness.client();
    await later.subscribe(['state']);
    await later.frame('the remaining message', ({ body }) => body.case === 'shard');
    expect(later.texts('state')).toEqual(['of bob']);
  });

  test('a relay that opens a room later has the messages that another one retained', async () => {
    harness = await Harness.start(open, ['rl_a']);
    const ada = await harness.client('rl_a');
    await ada.publish('state', { retain: true });
    ada.send('state', 'kept', { retain: true });
    await waitFor('the message in the store', async () => {
      if ((await harness.backplane.store.relays.retained(harness.room.id)).length === 0) notYet('it is not there');
    });
    ada.close();
    await harness.startRelay('rl_b');
    const bob = await harness.client('rl_b');
    await bob.subscribe('*');
    await bob.frame('the retained message', ({ stamp }) => stamp?.retained === true);
    expect(bob.texts('state')).toEqual(['kept']);
  });

  test('two relays of one room forward frames to each other, in order', async () => {
    harness = await Harness.start(open, ['rl_a', 'rl_b']);
    const [ada, bob] = [await harness.client('rl_a'), await harness.client('rl_b')];
    expect(ada.relayId).not.toBe(bob.relayId);
    await bob.subscribe('*');
    await ada.publish('chat', { mode: 'reliable' });
    // Frames are not forwarded until the relays have announced the room to each other.
    await waitFor('a forwarded frame', () => {
      ada.send('chat', 'hello', { channel: 'reliable' });
      return bob.texts('chat').length > 0 || notYet('there is none');
    });
    const before = bob.texts('chat').length;
    for (let index = 0; index < 200; index++) ada.send('chat', `${index}`, { channel: 'reliable' });
    await waitFor(
      'the last frame',
      () => bob.texts('chat').at(-1) === '199' || notYet(bob.texts('chat').at(-1) ?? 'none'),
    );
    const seqIds = bob.frames.flatMap(({ body }) => (body.case === 'shard' ? [body.value.seqId] : []));
    expect(seqIds).toEqual([...seqIds].sort((a, b) => a - b));
    expect(new Set(seqIds).size).toBe(seqIds.length);
    expect(bob.texts('chat').length - before).toBeGreaterThanOrEqual(200);
  });

  test('a time request is answered on the channel that it arrived on', async () => {
    harness = await Harness.start(open, ['rl_a']);
    const ada = await harness.client();
    const t1 = Date.now() * 1000;
    ada.sendFrame('unreliable', { body: { case: 'timeRequest', value: { t1 } } });
    const { body, channel } = await ada.frame('the answer', (frame) => frame.body.case === 'timeResponse');
    const { t2, t3, ...rest } = body.value as { t1: number; t2: number; t3: number };
    expect(rest).toMatchObject({ t1 });
    expect(t3).toBeGreaterThanOrEqual(t2);
    expect(Math.abs(t2 - t1)).toBeLessThan(60e6);
    expect(channel).toBe('unreliable');
  });
});
