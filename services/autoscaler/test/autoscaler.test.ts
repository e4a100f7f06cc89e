import {
  type NodeReport,
  newId,
  participantIdOf,
  type PeerQuality,
  registryQueue,
  sfuQueue,
} from '@flotilla/contracts';
import { createLogger, metricsRegistry } from '@flotilla/runtime';
import { type Backplane, memoryBackplane } from '@flotilla/backplane';
import { nodeReport, notYet, waitFor } from '@flotilla/testkit';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { reconnectMs } from '../src/heartbeats.ts';
import { AutoscalerModule } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'fatal' });

/** The part of a node's report that the planner reads. */
class Node {
  readonly peers: PeerQuality[] = [];
  state: NodeReport['state'] = 'active';
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly id: string,
    private readonly backplane: Backplane,
  ) {}

  start(): void {
    this.#timer = setInterval(() => void this.report(), 250);
  }

  async report(): Promise<void> {
    const { id, state } = this;
    await this.backplane.store.nodes.report(nodeReport(id, { capacity: 100, state, load: { cpu: 0.2 } }), this.peers);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  seat(count: number, roomId: string): void {
    for (let index = 0; index < count; index++) {
      const sessionId = newId('session');
      const participantId = participantIdOf(sessionId);
      const fine = { score: 1, group: 'stable' as const, loss: 0, rttMs: 10, jitterMs: 1, baselineRttMs: 10 };
      this.peers.push({ sessionId, participantId, roomId, ...fine });
    }
  }
}

let backplane: Backplane;
let nodes: Node[];
let begun: number;
let stop: () => Promise<void>;
const asked: { sessionId: string; toNode: string | undefined; reason: string }[] = [];

beforeEach(async () => {
  begun = performance.now();
  asked.length = 0;
  backplane = memoryBackplane(log);
  nodes = ['nd_a', 'nd_b', 'nd_c'].map((id) => new Node(id, backplane));
  // A registry that carries out each requested migration at once.
  const serving = await backplane.bus.serve(registryQueue, 'shared', {
    'registry.migrate': async ({ roomId, sessionId, toNode, reason }) => {
      asked.push({ sessionId, toNode, reason });
      const from = nodes.find(({ peers }) => peers.some((peer) => peer.sessionId === sessionId))!;
      const [peer] = from.peers.splice(
        from.peers.findIndex((peer) => peer.sessionId === sessionId),
        1,
      );
      nodes.find(({ id }) => id === toNode)!.peers.push(peer!);
      const at = Date.now();
      return {
        migration: {
          id: newId('migration'),
          roomId,
          sessionId,
          participantId: participantIdOf(sessionId),
          fromNode: from.id,
          toNode: toNode!,
          reason,
          step: 'prepared' as const,
          startedAt: at,
          deadline: at + 10_000,
        },
      };
    },
  });
  nodes[0]!.seat(3, 'rm_small');
  nodes[0]!.seat(8, 'rm_big');
  const app = await NestFactory.createApplicationContext(AutoscalerModule.register({ backplane, log }), {
    logger: false,
  });
  for (const node of nodes) node.start();
  stop = async () => {
    for (const node of nodes) node.stop();
    await app.close();
    await serving.close();
  };
});
afterEach(() => stop());

/** Waits until failure detection has started. */
const graceOver = () =>
  waitFor('the start of failure detection', () => {
    if (performance.now() - begun < reconnectMs + 500) notYet('it is not due');
  });

const movedAll = () =>
  waitFor('migrations of all peers of nd_a', () => {
    if (asked.length < 11) notYet(`${asked.length} of 11 have`);
  });

test('all peers of a draining node are migrated', async () => {
  nodes[0]!.state = 'draining';
  await movedAll();
  expect(new Set(asked.map(({ reason }) => reason))).toEqual(new Set(['drain']));
  expect(nodes[0]!.peers).toEqual([]);
});

test('the peers of a dead node are migrated once each, the largest room first', async () => {
  await graceOver();
  const [big, small] = [nodes[0]!.peers.slice(3), nodes[0]!.peers.slice(0, 3)].map((peers) =>
    peers.map(({ sessionId }) => sessionId),
  );
  nodes[0]!.stop();
  const died = performance.now();
  await movedAll();
  console.log(`requested ${Math.round(performance.now() - died)} ms after the last heartbeat`);
  expect(
    asked
      .slice(0, 8)
      .map(({ sessionId }) => sessionId)
      .toSorted(),
  ).toEqual(big!.toSorted());
  expect(
    asked
      .slice(8)
      .map(({ sessionId }) => sessionId)
      .toSorted(),
  ).toEqual(small!.toSorted());
  expect(new Set(asked.map(({ reason, toNode }) => `${reason} ${toNode}`))).toEqual(
    new Set(['node_lost nd_b', 'node_lost nd_c']),
  );
});

test('a node without heartbeats that answers the probe keeps its peers', async () => {
  let answers = 0;
  const serving = await backplane.bus.serve(sfuQueue('nd_a'), 'exclusive', {
    'sfu.ping': async () => {
      answers++;
      return {};
    },
  });
  await graceOver();
  nodes[0]!.stop();
  await waitFor('several probes', () => {
    if (answers < 4) notYet(`${answers} times`);
  });
  expect(asked).toEqual([]);
  await serving.close();
});

test('no peer is migrated when the heartbeats of all nodes stop', async () => {
  await graceOver();
  for (const node of nodes) node.stop();
  await waitFor('frozen failure detection', async () => {
    const frozen = await metricsRegistry.getSingleMetric('autoscaler_frozen')!.get();
    if (frozen.values[0]?.value !== 1) notYet('it is not frozen');
  });
  expect(asked).toEqual([]);
});
