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

  dispatcher.dispatch([lost]);
  await vi.waitFor(() => expect(dispatcher.moving).toEqual([]), { timeout: 15_000 });
  expect(onRemoved).toHaveBeenCalledExactlyOnceWith(lost);
});

test('a peer of a lost node that was moved by a registry whose answer came too late counts as moved', async () => {
  const bus = new CommandBus(new MemoryCommandTransport(), log);
  const never = new Promise<never>(() => undefined);
  await bus.serve(registryQueue, 'shared', { 'registry.migrate': () => never });
  await bus.serve(registryQueue, 'shared', {
    'registry.migrate': () => Promise.reject(new FlotillaError('MIGRATION_NOT_ACTIVE')),
  });
  const onRemoved = vi.fn();
  const dispatcher = new MigrationDispatcher({ bus, mayAct: () => true, onRemoved, log });

  dispatcher.dispatch([lost]);
  await vi.waitFor(() => expect(dispatcher.moving).toEqual([]), { timeout: 15_000 });
  expect(onRemoved).toHaveBeenCalledExactlyOnceWith(lost);
});
