import {
  maxTopologyVertices,
  NegotiationState,
  Room,
  RoomVertex,
  SessionVertex,
  type Topology,
  type TopologyVertex,
} from '@flotilla/contracts';
import type { ChainableCommander } from 'ioredis';
import type { z } from 'zod';
import {
  breakerVertex,
  canaryVertices,
  gatewayLateMs,
  mediaOf,
  migrationVertex,
  negotiationVertex,
  nodeVertex,
  topologyOf,
} from '../topology.ts';
import { mediaModeOf } from '../room-record.ts';
import type { RedisBreakers } from './breakers.ts';
import type { RedisCanary } from './canary.ts';
import type { RedisHistory } from './history.ts';
import type { Keys } from './keys.ts';
import type { RedisNodes } from './nodes.ts';
import { readable } from './readable.ts';
import { answersOf, type ScriptClient } from './script-client.ts';

/** Maximum number of records per round trip, so that neither side is blocked for more than a few milliseconds. */
const perRoundTrip = 100;
/** One more than is returned: it shows whether the topology is truncated. */
const mostRead = maxTopologyVertices + 1;

/** A vertex, undefined when a record does not fit its schema. */
function vertex(schema: z.ZodType<TopologyVertex>, value: unknown): TopologyVertex | undefined {
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

/** Reads the fleet as a graph. Records that are deleted between two reads are left out. */
export class RedisTopology {
  constructor(
    private readonly client: ScriptClient,
    private readonly keys: Keys,
    private readonly parts: {
      readonly nodes: RedisNodes;
      readonly history: RedisHistory;
      readonly breakers: RedisBreakers;
      readonly canary: RedisCanary;
    },
  ) {}

  async read(): Promise<Topology> {
    const [seconds, micros] = await this.client.do((redis) => redis.time());
    const at = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    const gateways = await this.#gateways(at);
    const { nodes: nodeStore, history, breakers, canary } = this.parts;
    const [nodes, migrations, open, stored] = await Promise.all([
      nodeStore.list(),
      history.recent(),
      breakers.list(),
      canary.read(),
    ]);
    const alive = nodes.flatMap((node) => (node.alive ? [node.id] : []));
    const media = mediaOf(await nodeStore.peerScores(alive), migrations);
    const rooms = await this.#rooms();
    const sessions = await this.#sessions(
      gateways.map(({ id }) => id),
      at,
      media,
    );
    return topologyOf(at, [
      gateways,
      nodes.map(nodeVertex),
      rooms,
      sessions,
      await this.#negotiations(rooms),
      migrations.map(migrationVertex),
      open.map(breakerVertex),
      canaryVertices(stored?.canary),
    ]);
  }

  async #negotiations(rooms: readonly TopologyVertex[]): Promise<TopologyVertex[]> {
    const peerToPeer = rooms.filter((room) => room.kind === 'room' && room.mediaMode === 'peer');
    return this.#each(peerToPeer, {
      ask: (pipeline, { id }) => pipeline.hgetall(this.keys.pairs(id)),
      // A room has one pair at most.
      toVertex: ({ id }, [pairs]) => {
        const [found] = Object.entries(pairs as Record<string, string>);
        const state = NegotiationState.safeParse(found?.[1].split(' ', 2)[1]);
        return found && state.success ? negotiationVertex(id, found[0], state.data) : undefined;
      },
    });
  }

  async #gateways(now: number): Promise<TopologyVertex[]> {
    const { keys } = this;
    const flat = await this.client.do((redis) =>
      redis.zrange(keys.gateways(), 0, String(maxTopologyVertices), 'WITHSCORES'),
    );
    const gateways = Array.from({ length: flat.length / 2 }, (_, index) => ({
      id: flat[index * 2]!,
      seenAt: Number(flat[index * 2 + 1]),
    }));
    return this.#each(gateways, {
      ask: (pipeline, { id }) => pipeline.scard(keys.gatewaySessions(id)),
      toVertex: ({ id, seenAt }, [sessions]) => ({
        kind: 'gateway',
        id,
        alive: seenAt >= now - gatewayLateMs,
        sessions: sessions as number,
      }),
    });
  }

  async #rooms(): Promise<TopologyVertex[]> {
    const { keys } = this;
    const listed = await this.client.do((redis) => redis.zrangebylex(keys.rooms(), '-', '+', 'LIMIT', 0, mostRead));
    const ids = listed.map((key) => key.slice(key.indexOf(':') + 1));
    return this.#each(ids, {
      ask: (pipeline, id) =>
        pipeline.get(keys.room(id)).hlen(keys.members(id)).hgetall(keys.assignments(id)).exists(keys.upgraded(id)),
      toVertex: (id, [text, participants, assignments, upgraded]) => {
        const room = text === null ? undefined : readable(Room, text as string);
        if (!room) return undefined;
        const { name, peerToPeer } = room;
        const counts = Object.entries(assignments as Record<string, string>).map(([node, count]) => [
          node,
          Number(count),
        ]);
        return vertex(RoomVertex, {
          kind: 'room',
          id,
          name,
          mediaMode: mediaModeOf({ peerToPeer }, upgraded === 1),
          participants,
          assignments: Object.fromEntries(counts) as unknown,
        });
      },
    });
  }

  async #sessions(
    gateways: readonly string[],
    now: number,
    media: ReturnType<typeof mediaOf>,
  ): Promise<TopologyVertex[]> {
    const { keys } = this;
    const detached = await this.client.do((redis) =>
      redis.zrangebyscore(keys.detached(), `(${now}`, '+inf', 'LIMIT', 0, mostRead),
    );
    const connected = new Map(detached.map((id) => [id, false]));
    for (const gateway of gateways) {
      let cursor = '0';
      do {
        const [next, ids] = await this.client.do((redis) =>
          redis.sscan(keys.gatewaySessions(gateway), cursor, 'COUNT', perRoundTrip),
        );
        for (const id of ids) connected.set(id, true);
        cursor = next;
      } while (cursor !== '0' && connected.size < mostRead);
    }
    return this.#each([...connected].slice(0, mostRead), {
      ask: (pipeline, [id]) =>
        pipeline.hmget(keys.session(id), 'userId', 'gatewayId', 'name').smembers(keys.sessionRooms(id)),
      toVertex: ([id, isConnected], [record, rooms]) => {
        const [userId, gatewayId, name] = record as (string | null)[];
        if (userId === null || gatewayId === null) return undefined;
        return vertex(SessionVertex, {
          kind: 'session',
          id,
          userId,
          ...(name && { name }),
          gatewayId,
          connected: isConnected,
          rooms: (rooms as string[]).toSorted(),
          media: media.get(id) ?? [],
        });
      },
    });
  }

  /** Reads the records of many vertices, a bounded number per round trip, and returns the vertices of those that exist. */
  async #each<T>(
    all: readonly T[],
    how: {
      ask(pipeline: ChainableCommander, one: T): unknown;
      toVertex(one: T, answers: readonly unknown[]): TopologyVertex | undefined;
    },
  ): Promise<TopologyVertex[]> {
    const found: TopologyVertex[] = [];
    for (let from = 0; from < all.length; from += perRoundTrip) {
      const batch = all.slice(from, from + perRoundTrip);
      const answers = await this.client.do(async (redis) => {
        const pipeline = redis.pipeline();
        for (const one of batch) how.ask(pipeline, one);
        return answersOf(await pipeline.exec());
      });
      const each = answers.length / batch.length;
      batch.forEach((one, index) => {
        const own = answers.slice(index * each, (index + 1) * each);
        // A key of the wrong type hides no other vertex.
        const read = own.includes(undefined) ? undefined : how.toVertex(one, own);
        if (read) found.push(read);
      });
    }
    return found;
  }
}
