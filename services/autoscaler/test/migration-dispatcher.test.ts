import { CommandBus, MemoryCommandTransport } from '@flotilla/bus';
import { FlotillaError, registryQueue } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { expect, test, vi } from 'vitest';
import { MigrationDispatcher } from '../src/migration-dispatcher.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const lost = { roomId: 'rm_a', sessionId: 'ss_a', fromNode: 'nd_lost', toNode: 'nd_b', reason: 'node_lost' } as const;

test('a peer of a lost node is migrated by another registry when the first one does not answer', async () => {
  const bus = new CommandBus(new MemoryCommandTransport(), log);
  const never = new Promise<never>(() => undefined);
  await bus.serve(registryQueue, 'shared', { 'registry.migrate': () => never });
  const migration = {
    ...lost,
    id: 'mig_a',
    participantId: 'pt_a',
    step: 'reserved',
    startedAt: 0,
    deadline: 0,
  } as const;
  await bus.serve(registryQueue, 'shared', { 'registry.migrate': async () => ({ migration }) });
  const onRemoved = vi.fn();
  const dispatcher = new MigrationDispatcher({ bus, mayAct: () => true, onRemoved, log });

  dispatcher.dispatch([lost], 1);
  await vi.waitFor(() => expect(dispatcher.moving).toEqual([]), { timeout: 15_000 });
  expect(onRemoved).toHaveBeenCalledExactlyOnceWith({ ...lost, term: 1 });
});

test('a migration is ordered with the term that planned it, also when it waits until another term', async () => {
  const bus = new CommandBus(new MemoryCommandTransport(), log);
  const terms: unknown[] = [];
  await bus.serve(registryQueue, 'shared', {
    'registry.migrate': ({ term }) => {
      terms.push(term);
      return Promise.reject(new FlotillaError('STALE_TERM'));
    },
  });
  const dispatcher = new MigrationDispatcher({ bus, mayAct: () => true, onRemoved: () => undefined, log });
  const peers = (count: number, name: string) =>
    Array.from({ length: count }, (_, index) => ({
      ...lost,
      reason: 'drain' as const,
      sessionId: `ss_${name}${index}`,
    }));
  dispatcher.dispatch(peers(40, 'a'), 3);
  dispatcher.dispatch(peers(2, 'b'), 4);
  await vi.waitFor(() => expect(dispatcher.moving).toEqual([]));
  expect(terms).toEqual([...Array.from({ length: 40 }, () => 3), 4, 4]);
});

test.each([
  ['the node that it is on is alive', 'MIGRATION_NOT_ACTIVE', 'node_lost', 0],
  ['it is on another node', 'WRONG_STATE', 'node_lost', 1],
  ['it left its room', 'NOT_IN_ROOM', 'node_lost', 1],
  ['its new node refused to open its media', 'WRONG_STATE', 'drain', 0],
] as const)(
  'a peer is removed from its node or not when the order is refused because %s',
  async (_why, code, reason, removed) => {
    const bus = new CommandBus(new MemoryCommandTransport(), log);
    await bus.serve(registryQueue, 'shared', { 'registry.migrate': () => Promise.reject(new FlotillaError(code)) });
    const onRemoved = vi.fn();
    const dispatcher = new MigrationDispatcher({ bus, mayAct: () => true, onRemoved, log });
    dispatcher.dispatch([{ ...lost, reason }], 1);
    await vi.waitFor(() => expect(dispatcher.moving).toEqual([]));
    expect(onRemoved).toHaveBeenCalledTimes(removed);
  },
);

test.each([
  ['moved by a registry whose answer came too late counts as moved', 'WRONG_STATE', 1],
  ['on a live node when the order is repeated stays where it is', 'MIGRATION_NOT_ACTIVE', 0],
] as const)('a peer that is %s', async (_what, code, removed) => {
  const bus = new CommandBus(new MemoryCommandTransport(), log);
  const never = new Promise<never>(() => undefined);
  await bus.serve(registryQueue, 'shared', { 'registry.migrate': () => never });
  await bus.serve(registryQueue, 'shared', { 'registry.migrate': () => Promise.reject(new FlotillaError(code)) });
  const onRemoved = vi.fn();
  const dispatcher = new MigrationDispatcher({ bus, mayAct: () => true, onRemoved, log });

  dispatcher.dispatch([lost], 1);
  await vi.waitFor(() => expect(dispatcher.moving).toEqual([]), { timeout: 15_000 });
  expect(onRemoved).toHaveBeenCalledTimes(removed);
});
