import { type EventLog, gatewayStream, idleStreamSeconds } from '@flotilla/bus';
import { FlotillaError, type GatewayEvent, type Drill, type DrillStarted } from '@flotilla/contracts';
import { counter, type Logger } from '@flotilla/runtime';
import type { SessionStore } from '@flotilla/store';
import type { Migrations } from './migrations/migrations.ts';
import type { Nodes } from './nodes.ts';
import type { Rooms } from './rooms.ts';

const outcomes = counter({
  name: 'registry_drills_total',
  help: 'Drills by kind and outcome: begun, or the error code.',
  labelNames: ['kind', 'outcome'],
});

/** Injected failures, migrations and drains on request. Each is logged with its requester, and counted. */
export class Drills {
  constructor(
    private readonly rooms: Rooms,
    private readonly migrations: Migrations,
    private readonly nodes: Nodes,
    private readonly sessions: SessionStore,
    private readonly events: EventLog,
    private readonly log: Logger,
  ) {}

  /** @throws FlotillaError NOT_FOUND, NODE_UNAVAILABLE, DRILL_REFUSED, and what the underlying requests throw. */
  async begin(drill: Drill, by: string): Promise<DrillStarted> {
    const { kind } = drill;
    try {
      const begun = await this.#begin(drill);
      this.log.warn({ drill, by, begun }, 'drill started');
      outcomes.inc({ kind, outcome: 'begun' });
      return begun;
    } catch (error) {
      const { code } = FlotillaError.from(error);
      this.log.warn({ drill, by, code }, 'drill not started');
      outcomes.inc({ kind, outcome: code });
      throw error;
    }
  }

  async #begin(drill: Drill): Promise<DrillStarted> {
    switch (drill.kind) {
      case 'migrate': {
        const { roomId, sessionId } = await this.rooms.member(drill.room, drill.participant);
        const request = { roomId, sessionId, toNode: drill.toNode, reason: 'manual' } as const;
        const { id: migrationId, toNode } = await this.migrations.begin(request);
        return { migrationId, toNode };
      }
      case 'drain':
        return { state: (await this.nodes.setState(drill.node, 'draining')).state };
      case 'uncordon':
        return { state: (await this.nodes.setState(drill.node, 'active')).state };
      case 'kill_worker':
        return { worker: await this.nodes.killWorker(drill.node, drill.worker) };
      case 'kill_node':
        await this.nodes.kill(drill.node);
        return {};
      case 'cut_socket': {
        const session = await this.sessions.get(drill.session);
        if (!session) throw new FlotillaError('NOT_FOUND', `there is no session ${drill.session}`);
        const event: GatewayEvent = { type: 'cut_socket', sessionId: session.id };
        await this.events.append(gatewayStream(session.gatewayId), JSON.stringify(event), idleStreamSeconds);
        return {};
      }
    }
  }
}
