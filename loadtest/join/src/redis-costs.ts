import { RedisEventLog, roomStream } from '@flotilla/bus';
import { type Member, newId, type PeerQuality } from '@flotilla/contracts';
import { endProgress, progress, summarize } from '@flotilla/loadtest-kit';
import { startRedis } from '@flotilla/processes';
import { createLogger } from '@flotilla/runtime';
import { RedisStore } from '@flotilla/store';
import { cameraOf, joinAs, newcomer, nodeReport, participantClaims, roomRecord } from '@flotilla/testkit';
import { Redis } from 'ioredis';

const namespace = 'bench';
/** Joins in flight. */
const inFlight = 20;
/** Members that are added before a measurement in all rooms together, unless one room has more. */
const maxMembers = 6000;
/** One member of so many publishes. */
const membersPerPublication = 10;
/** Sessions whose quality a heartbeat has. */
const peersPerNode = 100;
/** Heartbeats are dated ahead by this, ms, so that no node is late during a run and none has to report again. */
const heartbeatsAheadMs = 3_600_000;

/** A fleet, and the rooms that are joined. */
export interface JoinCase {
  readonly nodes: number;
  /** Members of a room. In an empty one a join chooses among all nodes. */
  readonly members: number;
  /** Setting of the rooms: members on different nodes. */
  readonly spread: boolean;
}

/** Time of a command by Redis's own count, µs, and the CPU time of its main thread for each, with that of the connection. */
export interface CommandCost {
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly cpu: number;
}

export interface RedisCost extends JoinCase {
  readonly joins: number;
  readonly join: CommandCost;
  /** As many EVALSHA of a script without commands. */
  readonly empty: CommandCost;
  /** Room, members and publications as JSON, p50. */
  readonly replyBytes: number;
}

/** What one kind of work costs Redis, in a fleet of `nodes`. */
export interface OperationCost {
  readonly operation: string;
  readonly count: number;
  readonly cost: CommandCost;
}

interface Bench {
  readonly store: RedisStore;
  readonly events: RedisEventLog;
  readonly redis: Redis;
}

/** Runs on a Redis of its own, without services. */
async function withRedis<T>(work: (bench: Bench) => Promise<T>): Promise<T> {
  const server = await startRedis();
  const redis = new Redis(server.url);
  const options = { url: server.url, namespace, log: createLogger({ service: 'bench', level: 'error' }) };
  const [store, events] = [await RedisStore.connect(options), await RedisEventLog.connect(options)];
  try {
    await redis.config('SET', 'latency-tracking-info-percentiles', '50 95 99');
    return await work({ store, events, redis });
  } finally {
    endProgress();
    await Promise.all([store.close(), events.close()]);
    redis.disconnect();
    await server.stop();
  }
}

/** Measures `store.rooms.join`. */
export const redisCosts = (cases: readonly JoinCase[], joins: number): Promise<RedisCost[]> =>
  withRedis(async ({ store, redis }) => {
    const costs: RedisCost[] = [];
    for (const each of cases) costs.push(await costOf(store, redis, each, joins));
    return costs;
  });

/** Measures what a participant and a node cost Redis, in rooms of `members`. */
export const operationCosts = (nodes: number, members: number, count: number): Promise<OperationCost[]> =>
  withRedis(async ({ store, events, redis }) => {
    await reportNodes(store, redis, nodes);
    const requests = Array.from({ length: count + 1 }, (_, index) => ({
      ...newcomer(`rm_bench-${Math.floor(index / members)}`),
      userId: `user-${index}`,
    }));
    for (const roomId of new Set(requests.map((request) => request.roomId)))
      await store.rooms.create(roomRecord(roomId.slice('rm_'.length)));
    const joined = new Map<string, Member>();
    const peers = Array.from({ length: peersPerNode }, (_, index) => peerQuality(index));
    const operations: readonly (readonly [
      string,
      (request: (typeof requests)[number], index: number) => Promise<unknown>,
    ])[] = [
      ['open a session', (request) => openSession(store, request)],
      ['join a room', async (request) => joined.set(request.sessionId, (await store.rooms.join(request)).member)],
      [
        'add a publication',
        ({ roomId, sessionId }) =>
          store.rooms.putPublication(roomId, cameraOf(joined.get(sessionId)!, { producerId: sessionId })),
      ],
      ['append a message of 200 bytes', ({ roomId }) => events.append(roomStream(roomId), 'x'.repeat(200))],
      [
        `heartbeat of a node of ${peersPerNode} sessions`,
        (_request, index) => store.nodes.report(nodeReport(nodeId(index % nodes), { capacity: 100_000 }), peers),
      ],
      ['close a session, which is in a room', ({ sessionId }) => store.sessions.close(sessionId, 'left')],
    ];
    const costs: OperationCost[] = [];
    for (const [operation, run] of operations) {
      progress(`${nodes} nodes: ${operation}`);
      const [first, ...measured] = requests.map((request, index) => () => run(request, index));
      await first!();
      costs.push({ operation, count, cost: await costOfEach(redis, measured, (runOne) => runOne()) });
    }
    return costs;
  });

function openSession(store: RedisStore, { sessionId, userId }: ReturnType<typeof newcomer>): Promise<unknown> {
  const session = { id: sessionId, userId, gatewayId: 'gw_bench', ...participantClaims() };
  return store.sessions.open(session, `hash-of-${sessionId}`);
}

function peerQuality(index: number): PeerQuality {
  const ids = { sessionId: newId('session'), participantId: newId('participant'), roomId: newId('room') };
  return {
    ...ids,
    score: 0.9 + index / 10_000,
    group: 'stable',
    loss: 0.01,
    rttMs: 41.25,
    jitterMs: 3.5,
    baselineRttMs: 40.5,
  };
}

async function costOf(store: RedisStore, redis: Redis, of: JoinCase, joins: number): Promise<RedisCost> {
  await redis.flushall('SYNC');
  await reportNodes(store, redis, of.nodes);
  const rooms = await Promise.all(
    Array.from({ length: Math.min(joins, Math.max(1, Math.floor(maxMembers / Math.max(1, of.members)))) }, (_, index) =>
      store.rooms.create(roomRecord(`bench-${index}`, { maxParticipants: 10_000, spread: of.spread })),
    ),
  );
  for (const { id } of rooms) await fill(store, id, of.members);
  const requests = Array.from({ length: joins + 1 }, (_, index) => {
    const request = newcomer(rooms[index % rooms.length]!.id);
    return { ...request, userId: `guest-${index}` };
  });
  await concurrently(requests, (request) => openSession(store, request));
  const emptyScript = (await redis.script('LOAD', 'return 1')) as string;
  progress(`${of.nodes} nodes, rooms of ${of.members}: ${joins} joins`);
  const bytes: number[] = [];
  const [first, ...measured] = requests;
  // Redis gets the text of the script.
  await store.rooms.join(first!);
  const empty = await costOfEach(redis, measured, () => redis.evalsha(emptyScript, 1, namespace));
  const join = await costOfEach(redis, measured, async (request) => {
    bytes.push(Buffer.byteLength(JSON.stringify(await store.rooms.join(request))));
  });
  return { ...of, joins, empty, join, replyBytes: summarize(bytes).p50 };
}

/** Runs `inFlight` at a time. */
async function concurrently<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}

/** What Redis counts while scripts run, each of which is one EVALSHA. */
async function costOfEach<T>(
  redis: Redis,
  items: readonly T[],
  run: (item: T) => Promise<unknown>,
): Promise<CommandCost> {
  await redis.config('RESETSTAT');
  const before = await mainThreadMicroseconds(redis);
  await concurrently(items, run);
  const cpu = ((await mainThreadMicroseconds(redis)) - before) / items.length;
  const [commands, latencies] = [await redis.info('commandstats'), await redis.info('latencystats')];
  const [, calls, mean] = /^cmdstat_evalsha:calls=(\d+),usec=\d+,usec_per_call=([\d.]+)/m.exec(commands)!;
  if (Number(calls) !== items.length) throw new Error(`Redis ran ${calls} scripts instead of ${items.length}`);
  const [, ...percentiles] = /^latency_percentiles_usec_evalsha:p50=([\d.]+),p95=([\d.]+),p99=([\d.]+)/m.exec(
    latencies,
  )!;
  const [p50, p95, p99] = percentiles.map(Number) as [number, number, number];
  return { mean: Number(mean), p50, p95, p99, cpu };
}

async function mainThreadMicroseconds(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  const seconds = ['user', 'sys'].map(
    (mode) => new RegExp(`^used_cpu_${mode}_main_thread:([\\d.]+)`, 'm').exec(info)![1],
  );
  return seconds.reduce((sum, each) => sum + Number(each) * 1e6, 0);
}

const nodeId = (number: number): string => `nd_${1000 + number}`;

async function reportNodes(store: RedisStore, redis: Redis, count: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    // All are below the load from which on a node is not preferred for a room.
    const load = { cpu: 0.1 + ((number * 37) % 60) / 100 };
    await store.nodes.report(nodeReport(nodeId(number), { capacity: 100_000, load }));
  }
  const ids = await redis.zrange(`${namespace}:nodes:beats`, '0', '-1');
  const at = Date.now() + heartbeatsAheadMs;
  await redis.zadd(`${namespace}:nodes:beats`, ...ids.flatMap((id) => [at, id]));
  // Setting up many takes longer than the time after which the first ones count as dead.
  for (let next: number | undefined = 0; next !== undefined;) ({ next } = await store.nodes.repair(next));
}

async function fill(store: RedisStore, roomId: string, members: number): Promise<void> {
  const numbers = Array.from({ length: members }, (_, number) => number);
  await concurrently(numbers, async (number) => {
    const { member } = await joinAs(store, {
      ...newcomer(roomId),
      userId: `${roomId}-${number}`,
      name: `User ${number}`,
    });
    if (number % membersPerPublication === 0)
      await store.rooms.putPublication(roomId, cameraOf(member, { producerId: `producer-${number}` }));
  });
}
