import { setTimeout as pause } from 'node:timers/promises';
import type { Handshake } from './inbound/handshake.ts';
import type { Overload } from './limits/overload.ts';
import { watchOverload } from './limits/overload.ts';
import type { UserMessages } from './messages/user-messages.ts';
import type { NodeDirectory } from './node-directory.ts';
import type { RoomStreams } from './rooms/room-streams.ts';
import { drainSessions } from './sessions/drain.ts';
import type { GatewayHeartbeat } from './sessions/gateway-heartbeat.ts';
import type { LostSessions } from './sessions/lost-sessions.ts';
import type { Lifecycle } from './sessions/lifecycle.ts';
import type { Session } from './sessions/session.ts';
import type { SessionCleanup } from './sessions/session-cleanup.ts';
import type { SessionTable } from './sessions/session-table.ts';
import type { TopologyStream } from './topology/topology-stream.ts';

/** Time that a stopping gateway waits for handshakes in progress, ms. */
const handshakesMs = 2000;

export interface GatewayParts {
  readonly table: SessionTable;
  readonly heartbeat: GatewayHeartbeat;
  readonly lostSessions: LostSessions;
  readonly messages: UserMessages;
  readonly lifecycle: Lifecycle;
  readonly cleanup: SessionCleanup;
  readonly streams: RoomStreams;
  readonly nodes: NodeDirectory;
  readonly overload: Overload;
  readonly topology: TopologyStream;
  readonly handshake: Handshake;
}

/** Starts and stops the parts of a gateway in order. */
export class Gateway {
  #stopWatching = (): void => undefined;
  #drained: Promise<void> | undefined;

  constructor(
    private readonly parts: GatewayParts,
    private readonly drainMs: number,
  ) {}

  async start(): Promise<void> {
    const { heartbeat, lostSessions, messages, lifecycle, nodes, overload } = this.parts;
    await heartbeat.start();
    lostSessions.start();
    await messages.start();
    lifecycle.start();
    await nodes.start();
    const watch = watchOverload(overload);
    this.#stopWatching = () => watch.stop();
  }

  /** Asks all sessions to move to other gateways, and closes those that remain; they resume elsewhere. */
  drain(handshakes: () => Promise<void>): Promise<void> {
    return (this.#drained ??= this.#drain(handshakes));
  }

  async #drain(handshakes: () => Promise<void>): Promise<void> {
    const { table, handshake, cleanup, heartbeat, lostSessions, messages, lifecycle, streams } = this.parts;
    handshake.stopAdmitting();
    cleanup.skipGrace();
    const askToMove = (session: Session): void => session.notify('move', { reason: 'this gateway is about to stop' });
    await drainSessions(table, this.drainMs, askToMove);
    await Promise.race([handshakes(), pause(handshakesMs, undefined, { ref: false })]);
    heartbeat.stop();
    lostSessions.stop();
    lifecycle.stop();
    messages.stop();
    await cleanup.flush();
    streams.close();
  }

  stop(): void {
    this.parts.nodes.stop();
    this.parts.topology.stop();
    this.#stopWatching();
  }
}
