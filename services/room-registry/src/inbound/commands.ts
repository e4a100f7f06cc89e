import type { CommandBus, Serving } from '@flotilla/bus';
import { type RegistryCommandType, registryQueue } from '@flotilla/contracts';
import type { Migrations } from '../migrations/migrations.ts';
import type { Drills } from '../drills.ts';

/** Serves the registry's queue, which all its instances share. */
export function serveRegistryCommands(bus: CommandBus, migrations: Migrations, drills: Drills): Promise<Serving> {
  return bus.serve<RegistryCommandType>(registryQueue, 'shared', {
    'registry.ping': async () => ({}),
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
  });
}
