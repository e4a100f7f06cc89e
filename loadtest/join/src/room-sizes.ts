import { startTestFleet, type TestFleet } from '@flotilla/e2e';
import { endProgress, progress, summarize } from '@flotilla/loadtest-kit';
import { participantIdOf } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { roomIdOf, RedisStore } from '@flotilla/store';
import { cameraOf, joinAs, newcomer, RawClient } from '@flotilla/testkit';
import { Redis } from 'ioredis';

/** Members that join at once while a room is filled. */
const batch = 100;
/** One member of so many publishes. */
const membersPerPublication = 10;
/** Commands that take Redis less, in µs, are not counted. If all were, writing the log would take longer than what scripts call. */
const countedFrom = 10;
/** Entries of the slow log: more than the commands of one join. */
const slowLogLength = 1000;

/** What a join costs in a room of one size, as medians. */
export interface JoinCost {
  readonly members: number;
  readonly joins: number;
  /** Time that Redis spends on a join, in µs: scripts that name its session, and commands that name it or its room. */
  readonly redisMicroseconds: number;
  readonly replyBytes: number;
}

/** Measures joins with media, but without subscriptions, on a fleet of its own, in rooms of these numbers of members. */
export async function joinCosts(sizes: readonly number[], joins: number): Promise<JoinCost[]> {
  const fleet = await startTestFleet('bench-join', {
    ...{ sfuNodes: 1, gateways: 1 },
    env: { FLOTILLA_SFU_CAPACITY: '100000' },
  });
  const redis = new Redis(fleet.redisUrl);
  const log = createLogger({ service: 'bench', level: 'error' });
  const store = await RedisStore.connect({ url: fleet.redisUrl, namespace: fleet.namespace, log });
  try {
    await redis.config('SET', 'slowlog-log-slower-than', String(countedFrom), 'slowlog-max-len', String(slowLogLength));
    const costs: JoinCost[] = [];
    for (const members of sizes) costs.push(await costsIn(fleet, store, redis, { members, joins }));
    return costs;
  } finally {
    endProgress();
    await store.close();
    redis.disconnect();
    await fleet.stop();
  }
}

async function costsIn(
  { api, gatewayUrls }: TestFleet,
  store: RedisStore,
  redis: Redis,
  { members, joins }: { readonly members: number; readonly joins: number },
): Promise<JoinCost> {
  const room = await api.newRoom(`of-${members}`, { maxParticipants: 10_000 });
  const roomId = roomIdOf(room, undefined);
  for (let from = 0; from < members; from += batch) {
    progress(`room of ${members}: ${from} members`);
    const numbers = Array.from({ length: Math.min(batch, members - from) }, (_, index) => from + index);
    await Promise.all(
      numbers.map(async (number) => {
        const userId = `user-${number}`;
        const { member } = await joinAs(store, { ...newcomer(roomId), userId, name: `User ${number}` });
        if (number % membersPerPublication === 0)
          await store.rooms.putPublication(roomId, cameraOf(member, { producerId: `producer-${number}` }));
      }),
    );
  }
  const microseconds: number[] = [];
  const bytes: number[] = [];
  for (let join = 1; join <= joins; join++) {
    progress(`room of ${members}: join ${join} of ${joins}`);
    const client = await RawClient.connect(gatewayUrls[0]!, { token: await api.issueToken(room) });
    const { rtpCapabilities, sessionId } = await client.welcome();
    await redis.slowlog('RESET');
    const reply = await client.request('join', { room, rtpCapabilities, subscribe: false });
    if (!reply.ok) throw new Error(`join: ${JSON.stringify(reply.error)}`);
    const commands = (await redis.slowlog('GET', String(slowLogLength))) as [number, number, number, string[]][];
    const own = commands.filter(([, , , args]) => isOfJoin(args, roomId, sessionId));
    microseconds.push(own.reduce((sum, [, , spent]) => sum + spent, 0));
    bytes.push(Buffer.byteLength(JSON.stringify(reply)));
    await client.request('leave', {}, `room:${roomId}`);
    client.close();
  }
  return {
    ...{ members, joins },
    redisMicroseconds: summarize(microseconds).p50,
    replyBytes: summarize(bytes).p50,
  };
}

function isOfJoin([name = '', ...args]: readonly string[], roomId: string, sessionId: string): boolean {
  // Commands in capitals are those of scripts, whose time includes them.
  if (name !== name.toLowerCase()) return false;
  const names = (id: string): boolean => args.some((arg) => arg.includes(id));
  return names(sessionId) || names(participantIdOf(sessionId)) || (name !== 'evalsha' && names(roomId));
}
