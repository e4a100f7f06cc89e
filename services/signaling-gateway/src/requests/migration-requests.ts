import type { CommandBus } from '@flotilla/bus';
import { registryQueue, type ReplyPayload, userAddress } from '@flotilla/contracts';
import type { Received } from './request-handler.ts';

/** A drill may be answered after the steps of a migration, ms. */
const drillTimeoutMs = 10_000;

/** Passes the client's part of migrations, and drills, on to the registry. */
export class MigrationRequests {
  constructor(private readonly bus: CommandBus) {}

  async migrated({ session, roomId, payload }: Received<'migrated'>): Promise<ReplyPayload<'migrated'>> {
    const membership = session.membership(roomId);
    await this.bus.call(registryQueue, 'registry.migrated', { ...payload, roomId, sessionId: session.id });
    // The room's event says the same, but may arrive after the client's next request.
    if (membership.migration?.id === payload.migrationId) membership.nodeId = membership.migration.toNode;
    return {};
  }

  async failed({ session, roomId, payload }: Received<'migration_failed'>): Promise<ReplyPayload<'migration_failed'>> {
    session.membership(roomId);
    return this.bus.call(registryQueue, 'registry.migration_failed', { ...payload, roomId, sessionId: session.id });
  }

  async report({ session, roomId, payload }: Received<'migration_report'>): Promise<ReplyPayload<'migration_report'>> {
    session.membership(roomId);
    return this.bus.call(registryQueue, 'registry.migration_report', { ...payload, sessionId: session.id });
  }

  drill({ session, payload: drill }: Received<'drill'>): Promise<ReplyPayload<'drill'>> {
    const by = userAddress(session.identity.userId);
    return this.bus.call(registryQueue, 'registry.drill', { drill, by }, { timeoutMs: drillTimeoutMs });
  }
}
