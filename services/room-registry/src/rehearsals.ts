import { type EventLog, gatewayStream } from '@flotilla/bus';
import { FlotillaError, type GatewayEvent, type Rehearsal, type RehearsalBegun } from '@flotilla/contracts';
import { counter, type Logger } from '@flotilla/runtime';
import type { SessionStore } from '@flotilla/store';
import type { Migrations } from './migrations/migrations.ts';
import type { Nodes } from './nodes.ts';
import type { Rooms } from './rooms.ts';

const outcomes = counter({
  name: 'registry_rehearsals_total',
  help: 'Rehearsals by kind and outcome: begun, or the error code.',
  labelNames: ['kind', 'outcome'],
});

/** Failures and moves that are asked for. Each is begun here, logged with who asked, and counted. */
export class Rehearsals {
  constructor(
    private readonly rooms: Rooms,
    private readonly migrations: Migrations,
    private readonly nodes: Nodes,
    private readonly sessions: SessionStore,
    private readonly events: EventLog,
    private readonly log: Logger,
  ) {}

  /** @throws FlotillaError NOT_FOUND, NODE_UNAVAILABLE, REHEARSAL_REFUSED, and what the requests it stands for throw. */
  async begin(rehearsal: Rehearsal, by: string): Promise<RehearsalBegun> {
    const { kind } = rehearsal;
    try {
      const begun = await this.#begin(rehearsal);
      this.log.warn({ rehearsal, by, begun }, 'a rehearsal is begun');
      outcomes.inc({ kind, outcome: 'begun' });
      return begun;
    } catch (error) {
      const { code } = FlotillaError.from(error);
      this.log.warn({ rehearsal, by, code }, 'a rehearsal was not begun');
      outcomes.inc({ kind, outcome: code });
      throw error;
    }
  }

  async #begin(rehearsal: Rehearsal): Promise<RehearsalBegun> {
    switch (rehearsal.kind) {
      case 'migrate': {
        const { roomId, sessionId } = await this.rooms.member(rehearsal.room, rehearsal.participant);
        const wanted = { roomId, sessionId, toNode: rehearsal.toNode, reason: 'asked_for' } as const;
        const { id: migrationId, toNode } = await this.migrations.begin(wanted);
        return { migrationId, toNode };
      }
      case 'drain':
        return { state: (await this.nodes.order(rehearsal.node, 'draining')).state };
      case 'uncordon':
        return { state: (await this.nodes.order(rehearsal.node, 'active')).state };
      case 'kill_worker':
        return { worker: await this.nodes.killWorker(rehearsal.node, rehearsal.worker) };
      case 'kill_node':
        await this.nodes.kill(rehearsal.node);
        return {};
      case 'cut_socket': {
        const session = await this.sessions.get(rehearsal.session);
        if (!session) throw new FlotillaError('NOT_FOUND', `there is no session ${rehearsal.session}`);
        const event: GatewayEvent = { type: 'cut_socket', sessionId: session.id };
        await this.events.append(gatewayStream(session.gatewayId), JSON.stringify(event));
        return {};
      }
    }
  }
}
