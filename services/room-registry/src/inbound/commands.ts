import type { CommandBus, Serving } from '@flotilla/bus';
import { type RegistryCommandType, registryQueue } from '@flotilla/contracts';
import type { Migrations } from '../migrations/migrations.ts';
import type { Drills } from '../drills.ts';
import type { Rooms } from '../rooms.ts';

/** Serves the registry's queue, which all its instances share. */
export function serveRegistryCommands(
  bus: CommandBus,
  rooms: Rooms,
  migrations: Migrations,
  drills: Drills,
): Promise<Serving> {
  return bus.serve<RegistryCommandType>(registryQueue, 'shared', {
    'registry.join': (request) => rooms.join(request),
    'registry.leave': async ({ roomId, sessionId, reason }) => {
      await rooms.leave(roomId, sessionId, reason);
      return {};
    },
    'registry.migrate': async (request) => ({ migration: await migrations.begin(request) }),
    'registry.migrated': async (request) => {
      await migrations.migrated(request);
      return {};
    },
    'registry.migration_failed': async (request) => {
      await migrations.failed(request);
      return {};
    },
    'registry.migration_report': async (request) => {
      await migrations.report(request);
      return {};
    },
    'registry.drill': ({ drill, by }) => drills.begin(drill, by),
    'registry.replace': ({ roomId, sessionId, excludeNodes }) => rooms.replace(roomId, sessionId, excludeNodes),
  });
}
