import { type Grant, newId, type RelayReport, type RelayView, type RetainedMessage } from '@flotilla/contracts';
import { joinAs, newcomer, nodeReport, notYet, participantClaims, roomRecord, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chooseRelay } from '../src/relay-choice.ts';
import { brokenInvariants, nodeTimeoutMs, type Store, takeInventory } from '../src/index.ts';
import { adapters } from './adapters.ts';

const report = (id: string, settings: Partial<RelayReport> = {}): RelayReport => ({
  id,
  startedAt: 1,
  state: 'active',
  capacity: 10,
  links: 0,
  rooms: 0,
  ...settings,
});

const message = (topic: string, publisherId: string, seqId: number): RetainedMessage => ({
  topic,
  mode: 'adaptive',
  publisherId,
  seqId,
  frames: ['AAAA'],
});

describe.each(adapters)('relays in %s', (_name, open) => {
  let store: Store;
  let close: () => Promise<void>;

  beforeEach(async () => {
    ({ store, close } = await open());
  });
  afterEach(() => close());

  test('relays are listed with their reports until they are removed', async () => {
    await store.relays.report(report('rl_a', { links: 3 }));
    await store.relays.report(report('rl_b'));
    expect(
      (await store.relays.list())
        .map(({ id, links, alive }) => ({ id, links, alive }))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    ).toEqual([
      { id: 'rl_a', links: 3, alive: true },
      { id: 'rl_b', links: 0, alive: true },
    ]);
    await store.relays.remove('rl_a');
    expect((await store.relays.list()).map(({ id }) => id)).toEqual(['rl_b']);
  });

  test('a client that cannot reach the relay of a room gets another one, and the room keeps its relay', async () => {
    await store.relays.report(report('rl_a', { links: 5 }));
    await store.relays.report(report('rl_b', { links: 2 }));
    expect(await store.relays.assign('rm_1', [])).toBe('rl_b');
    expect(await store.relays.assign('rm_1', [], 'rl_b')).toBe('rl_a');
    expect(await store.relays.assign('rm_1', [])).toBe('rl_b');
    expect(await store.relays.assign('rm_1', [], 'rl_a')).toBe('rl_b');
    await expect(store.relays.assign('rm_1', ['rl_a'], 'rl_b')).rejects.toThrow('no metadata relay');
    expect(await store.relays.assign('rm_1', ['rl_b'])).toBe('rl_a');
    expect(await store.relays.assign('rm_1', [])).toBe('rl_a');
  });

  test('the links of a room are assigned to one relay while it has capacity, then to the least loaded', async () => {
    await store.relays.report(report('rl_a', { links: 5 }));
    await store.relays.report(report('rl_b', { links: 2 }));
    expect(await store.relays.assign('rm_1', [])).toBe('rl_b');
    await store.relays.report(report('rl_b', { links: 9 }));
    expect(await store.relays.assign('rm_1', [])).toBe('rl_b');
    expect(await store.relays.assign('rm_2', [])).toBe('rl_a');
    expect(await store.relays.assign('rm_1', ['rl_b'])).toBe('rl_a');
    await store.relays.report(report('rl_a', { state: 'draining' }));
    await store.relays.report(report('rl_b', { links: 10 }));
    await expect(store.relays.assign('rm_1', [])).rejects.toThrow('no metadata relay');
  });

  test('a relay without heartbeats is assigned no links', async () => {
    await store.relays.report(report('rl_a'));
    await waitFor('it counts as dead', async () => (await store.relays.list())[0]!.alive && notYet('it is alive'), {
      timeoutMs: nodeTimeoutMs * 3,
    });
    await expect(store.relays.assign('rm_1', [])).rejects.toThrow('no metadata relay');
  });

  test('the last message of each publisher on a topic is retained until it is deleted, alone or with the room', async () => {
    for (const each of [
      message('t', 'pt_a', 1),
      message('t', 'pt_a', 2),
      message('t', 'pt_b', 7),
      message('u', 'pt_a', 0),
    ])
      await store.relays.retain('rm_1', each);
    const kept = async (): Promise<string[]> =>
      (await store.relays.retained('rm_1'))
        .map(({ topic, publisherId, seqId }) => `${topic} ${publisherId} ${seqId}`)
        .sort();
    expect(await kept()).toEqual(['t pt_a 2', 't pt_b 7', 'u pt_a 0']);
    await store.relays.forget('rm_1', { topic: 't', publisherId: 'pt_a' });
    expect(await kept()).toEqual(['t pt_b 7', 'u pt_a 0']);
    expect(await store.relays.retained('rm_2')).toEqual([]);
    await store.rooms.create({
      id: 'rm_1',
      name: 'one',
      createdAt: 1,
      maxParticipants: 2,
      spread: false,
      peerToPeer: false,
      acceptBridged: false,
      emptyTimeoutSeconds: 300,
    });
    await store.rooms.delete('rm_1');
    expect(await kept()).toEqual([]);
  });

  describe('of participants', () => {
    const userOf = (name: string): string => `u-${name}`;
    const join = async (name: string, sessionId = newId('session')) => {
      const request = { ...newcomer('rm_a', sessionId), userId: userOf(name) };
      await joinAs(store, request);
      return { name, sessionId, id: request.participantId };
    };
    type Participant = Awaited<ReturnType<typeof join>>;
    const retain = ({ name, id }: Participant, topic = 't'): Promise<void> =>
      store.relays.retain('rm_a', { ...message(topic, id, 1), userId: userOf(name) });
    const publishers = async (): Promise<string[]> =>
      (await store.relays.retained('rm_a')).map(({ publisherId }) => publisherId).toSorted();
    const refresh = ({ sessionId }: Participant, grants: Grant[]) =>
      store.sessions.refresh(
        sessionId,
        `hash-of-${sessionId}`,
        { id: newId('session'), keptUntil: Date.now() + 60_000 },
        { ...participantClaims(), grants },
      );
    const sorted = (...all: Participant[]): string[] => all.map(({ id }) => id).toSorted();

    beforeEach(async () => {
      await store.nodes.report(nodeReport('nd_a', { capacity: 100 }));
      await store.rooms.create(roomRecord('a'));
    });

    test.each(['left', 'disconnected', 'failed'] as const)(
      'retained values stay when they leave: %s',
      async (reason) => {
        const [ada, bob] = [await join('ada'), await join('bob')];
        await retain(ada);
        await store.rooms.leave('rm_a', ada.id, reason);
        expect(await publishers()).toEqual([ada.id]);
        expect(await store.relays.barred('rm_a')).toEqual([]);
        expect(await store.rooms.absent('rm_a', [ada.id, bob.id])).toEqual([ada.id]);
        // The last value may be written after its publisher has left.
        await retain(ada, 'u');
        expect(await publishers()).toEqual([ada.id, ada.id]);
      },
    );

    test('participants whose connection dropped are reconnecting until it is resumed or they leave', async () => {
      const [ada, bob, cleo] = [await join('ada'), await join('bob'), await join('cleo')];
      expect(await store.rooms.reconnecting('rm_a')).toEqual([]);
      for (const { sessionId } of [ada, bob, cleo])
        await store.sessions.detach(sessionId, `hash-of-${sessionId}`, 60_000);
      expect((await store.rooms.reconnecting('rm_a')).toSorted()).toEqual(sorted(ada, bob, cleo));
      await store.sessions.resume(`hash-of-${ada.sessionId}`, 'next', 'gw_a');
      await store.rooms.leave('rm_a', bob.id, 'disconnected');
      expect(await store.rooms.reconnecting('rm_a')).toEqual([cleo.id]);
      expect(await store.rooms.reconnecting('rm_b')).toEqual([]);
    });

    test.each<[string, (participant: Participant) => Promise<unknown>]>([
      ['is removed', ({ id }) => store.rooms.remove('rm_a', id, undefined)],
      ['is banned', ({ id }) => store.rooms.remove('rm_a', id, { userId: userOf('ada'), seconds: 60 })],
      ['is revoked', ({ sessionId }) => store.sessions.revoke(sessionId)],
      ['loses the grant publish', (participant) => refresh(participant, ['subscribe'])],
      ['may be in the room no more', (participant) => refresh(participant, [])],
    ])('retained values of a participant that %s are deleted, a late one too, and the others stay', async (_, end) => {
      const [ada, bob] = [await join('ada'), await join('bob')];
      for (const topic of ['t', 'u']) await retain(ada, topic);
      await retain(bob);
      // A relay of an earlier version does not name the user.
      await store.relays.retain('rm_a', message('v', ada.id, 1));
      await end(ada);
      expect(await publishers()).toEqual([bob.id]);
      expect(await store.relays.barred('rm_a')).toEqual([ada.id]);
      await retain(ada, 'w');
      expect(await publishers()).toEqual([bob.id]);
      expect(brokenInvariants(await takeInventory(store))).toEqual([]);
    });

    test('with a removed participant go the values that its user left behind, not those of its other participants', async () => {
      const [before, now, other] = [await join('ada'), await join('ada'), await join('ada')];
      for (const each of [before, now, other]) await retain(each);
      await store.rooms.leave('rm_a', before.id, 'left');
      await store.rooms.remove('rm_a', now.id, undefined);
      expect(await publishers()).toEqual([other.id]);
      expect((await store.relays.barred('rm_a')).toSorted()).toEqual(sorted(before, now));
      // A ban removes all participants of the user.
      await store.rooms.remove('rm_a', other.id, { userId: userOf('ada'), seconds: 60 });
      expect(await publishers()).toEqual([]);
    });

    test('a removed participant that joins again, and one that gets the grant publish again, may retain values', async () => {
      const [ada, bob] = [await join('ada'), await join('bob')];
      await store.rooms.remove('rm_a', ada.id, undefined);
      await refresh(bob, ['subscribe']);
      expect((await store.relays.barred('rm_a')).toSorted()).toEqual(sorted(ada, bob));
      await store.rooms.join({ ...newcomer('rm_a', ada.sessionId), userId: userOf('ada') });
      await refresh(bob, ['publish', 'subscribe', 'data']);
      expect(await store.relays.barred('rm_a')).toEqual([]);
      for (const each of [ada, bob]) await retain(each);
      expect(await publishers()).toEqual(sorted(ada, bob));
    });
  });
});

test('the relay with the smallest share of its links in use is chosen, by id when shares are equal', () => {
  const view = (id: string, links: number, capacity: number): RelayView => ({
    ...report(id, { links, capacity }),
    lastSeenAt: 1,
    alive: true,
  });
  expect(chooseRelay([view('rl_b', 1, 10), view('rl_a', 1, 10), view('rl_c', 3, 100)], undefined, [])).toBe('rl_c');
  expect(chooseRelay([view('rl_b', 1, 10), view('rl_a', 1, 10)], undefined, [])).toBe('rl_a');
  expect(chooseRelay([{ ...view('rl_a', 1, 10), alive: false }], 'rl_a', [])).toBeUndefined();
});
