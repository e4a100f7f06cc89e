import type { RelayReport, RelayView, RetainedMessage } from '@flotilla/contracts';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chooseRelay } from '../src/relay-choice.ts';
import { nodeTimeoutMs, type Store } from '../src/index.ts';
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
    await store.relays.forget('rm_1', 't', 'pt_a');
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
