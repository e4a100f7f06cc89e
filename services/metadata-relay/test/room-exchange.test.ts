import { MemoryEventLog } from '@flotilla/bus';
import { FlotillaError } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { MemoryStore, type RetainedKey } from '@flotilla/store';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RoomExchange } from '../src/peers/room-exchange.ts';
import type { RoutedFrame } from '../src/routing/outlet.ts';

const log = createLogger({ service: 'test', level: 'fatal' });
const value = (topic: string): RetainedKey => ({ topic, publisherId: 'pt_a' });
const frame = (topic: string, bytes = 1): RoutedFrame => ({
  topic,
  mode: 'reliable',
  retain: true,
  publisherId: 'pt_a',
  frame: new Uint8Array(bytes),
});

describe('the exchange between two relays of a room', () => {
  let events: MemoryEventLog;
  let isUnavailable: boolean;
  /** What the other relay received, in order. */
  let received: string[];
  let sender: RoomExchange;
  let store: MemoryStore;
  const exchanges: RoomExchange[] = [];

  const exchange = async (id: string, received?: string[]): Promise<[RoomExchange, () => boolean]> => {
    let isShared = false;
    const created = new RoomExchange(
      'rm_a',
      id,
      events,
      store.relays,
      log,
      ({ topic }) => received?.push(`frame ${topic}`),
      ({ topic }) => received?.push(`forget ${topic}`),
      (shared) => (isShared = shared),
    );
    exchanges.push(created);
    await store.relays.report({ id, startedAt: 1, state: 'active', capacity: 1, links: 0, rooms: 0 });
    await created.start();
    return [created, () => isShared];
  };
  const receivedLast = (entry: string): Promise<unknown> =>
    waitFor(entry, () => received.at(-1) === entry || notYet(`the last of ${received.length} is ${received.at(-1)}`));

  beforeEach(async () => {
    events = new MemoryEventLog();
    store = new MemoryStore(events);
    isUnavailable = false;
    const append = events.append.bind(events);
    events.append = async (...entry) => {
      if (isUnavailable) throw new FlotillaError('UNAVAILABLE');
      return append(...entry);
    };
    received = [];
    let isShared: () => boolean;
    [sender, isShared] = await exchange('rl_a');
    await exchange('rl_b', received);
    await waitFor('the other relay', () => isShared() || notYet('it is unknown'));
  });

  afterEach(() => {
    for (const each of exchanges.splice(0)) each.stop();
  });

  test('deletions stay between the frames before and after them', async () => {
    sender.forward(frame('a'));
    sender.forget(value('a'));
    sender.forward(frame('b'));
    sender.forget(value('b'));
    sender.forward(frame('a'));
    await receivedLast('frame a');
    expect(received).toEqual(['frame a', 'forget a', 'frame b', 'forget b', 'frame a']);
  });

  test('a deletion is announced once the log is available again, before the frames that follow it', async () => {
    isUnavailable = true;
    sender.forget(value('a'));
    await new Promise(setImmediate);
    sender.forward(frame('a'));
    await new Promise(setImmediate);
    isUnavailable = false;
    await receivedLast('frame a');
    expect(received).toEqual(['forget a', 'frame a']);
  });

  test('frames above the bound of the queue are dropped, deletions are not', async () => {
    sender.forward(frame('first'));
    sender.forget(value('a'));
    for (let count = 0; count < 200; count++) sender.forward(frame('b', 16_000));
    sender.forward(frame('last'));
    await receivedLast('frame last');
    expect(received.slice(0, 2)).toEqual(['frame first', 'forget a']);
    expect(received.length).toBeLessThan(100);
  });

  test('more deletions than an entry takes are all announced', async () => {
    for (let count = 0; count < 600; count++) sender.forget(value(`t${count}`));
    await receivedLast('forget t599');
    expect(received).toHaveLength(600);
  });

  test('deletions that are pending when the relay closes the room are announced, frames are not', async () => {
    sender.forward(frame('first'));
    sender.forward(frame('pending'));
    for (let count = 0; count < 300; count++) sender.forget(value(`t${count}`));
    sender.stop();
    await receivedLast('forget t299');
    expect(received).toEqual(['frame first', ...Array.from({ length: 300 }, (_, index) => `forget t${index}`)]);
  });
});
