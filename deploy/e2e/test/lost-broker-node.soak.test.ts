import { LightPeer } from '@flotilla/light-peer';
import { startRabbitMqCluster, startRedisWithSentinels } from '@flotilla/processes';
import { notYet, waitFor } from '@flotilla/testkit';
import { describe, expect, test } from 'vitest';
import { startTestFleet, type TestFleet } from '../src/index.ts';
import { allReceived, ResumingClient } from './resuming-client.ts';

const roomCount = 100;
const membersPerRoom = 10;
const callCount = 10;
const sendEveryMs = 20;
const joinsAtOnce = 20;
const recoversWithinMs = 60_000;

/** Members of many rooms, one of whom sends a numbered message every `sendEveryMs`, whatever happens. */
class Talk {
  readonly #acknowledged = new Map<string, number[]>();
  readonly #waiting = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #number = 0;
  /** Codes of messages that were not acknowledged, and when the last of them was answered. */
  readonly failures = new Map<string, number>();
  failedAt = -Infinity;
  slowestMs = 0;

  constructor(private readonly rooms: ReadonlyMap<string, readonly ResumingClient[]>) {
    const names = [...rooms.keys()];
    this.#timer = setInterval(() => {
      const number = ++this.#number;
      const room = names[number % names.length]!;
      const members = rooms.get(room)!;
      const sent = this.#send(room, members[number % members.length]!, number).finally(() =>
        this.#waiting.delete(sent),
      );
      this.#waiting.add(sent);
    }, sendEveryMs);
  }

  async #send(room: string, member: ResumingClient, number: number): Promise<void> {
    const { ok, code = 'none', ms } = await member.send(number);
    this.slowestMs = Math.max(this.slowestMs, ms);
    if (ok) return void this.#acknowledged.set(room, [...(this.#acknowledged.get(room) ?? []), number]);
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
    this.failedAt = performance.now();
  }

  /** Waits until messages of every room are acknowledged again, those sent from now on. */
  async flows(): Promise<void> {
    const from = this.#number;
    await waitFor(
      'a message into every room is acknowledged',
      () => {
        const silent = [...this.rooms.keys()].filter((room) => (this.#acknowledged.get(room)?.at(-1) ?? 0) <= from);
        if (silent.length > 0)
          notYet(`none into ${silent.length} rooms; failures: ${JSON.stringify([...this.failures])}`);
      },
      { timeoutMs: recoversWithinMs },
    );
  }

  /** Ends it, and waits until every member has received what was acknowledged in its room, each message once. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#waiting);
    for (const [room, members] of this.rooms) await allReceived(members, this.#acknowledged.get(room) ?? []);
  }
}

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < items.length; from += joinsAtOnce)
    await Promise.all(items.slice(from, from + joinsAtOnce).map(work));
}

async function joinRooms(fleet: TestFleet): Promise<Map<string, ResumingClient[]>> {
  const rooms = new Map<string, ResumingClient[]>();
  for (let index = 0; index < roomCount; index++) {
    const room = `room-${index}`;
    await fleet.api.createRoom({ name: room });
    const members = Array.from(
      { length: membersPerRoom },
      (_, each) => new ResumingClient(() => fleet.gatewayUrls[each % 2]!, `${room}/${each}`),
    );
    rooms.set(room, members);
  }
  const all = [...rooms].flatMap(([room, members]) => members.map((member, index) => ({ room, member, index })));
  await inTurns(all, ({ room, member, index }) => member.join(fleet.api, room, fleet.gatewayUrls[index % 2]!));
  return rooms;
}

async function startCalls(fleet: TestFleet): Promise<LightPeer[]> {
  const peers: LightPeer[] = [];
  for (let index = 0; index < callCount; index++) {
    const room = `call-${index}`;
    await fleet.api.createRoom({ name: room, spread: true });
    for (const gateway of fleet.gatewayUrls)
      peers.push(await LightPeer.join({ url: gateway, token: await fleet.api.issueToken(room), room }));
  }
  return peers;
}

/** Waits until every peer of the calls receives audio and video, now. Returns the longest gap since the last call, ms. */
async function mediaFlows(peers: readonly LightPeer[]): Promise<number> {
  const gaps = peers.flatMap((peer) => peer.takeReceived().map(({ longestGapMs }) => longestGapMs ?? 0));
  const counts = (): string[] =>
    peers.map((peer) =>
      peer
        .takeReceived()
        .map(({ packets }) => packets)
        .join('+'),
    );
  const before = counts();
  await waitFor('every peer receives media', () => {
    const now = counts();
    const silent = now.filter((each, index) => !each.includes('+') || each === before[index]);
    if (silent.length > 0) notYet(`${silent.length} peers receive ${silent.join(', ')} packets, as before`);
  });
  return Math.round(Math.max(0, ...gaps));
}

describe('1,000 sessions and ten calls', { timeout: 400_000 }, () => {
  test('lose the primary of Redis and a node of RabbitMQ: no call drops, no acknowledged message is lost, nothing is left', async () => {
    const [redis, rabbit] = await Promise.all([startRedisWithSentinels(), startRabbitMqCluster()]);
    const fleet = await startTestFleet('lost-broker-node', {
      sfuNodes: 2,
      gateways: 2,
      brokers: { redisUrl: redis.url, amqpUrl: rabbit.url, stop: async () => undefined },
      env: { FLOTILLA_SFU_CAPACITY: '1000', FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: '2000' },
    });
    const peers: LightPeer[] = [];
    try {
      const rooms = await joinRooms(fleet);
      peers.push(...(await startCalls(fleet)));
      await mediaFlows(peers);
      const talk = new Talk(rooms);
      await talk.flows();
      expect([...talk.failures]).toEqual([]);

      /** Kills something, and prints how long messages failed, and the calls' longest gap. */
      const during = async (what: string, kill: () => Promise<unknown>): Promise<void> => {
        await mediaFlows(peers);
        [talk.slowestMs, talk.failedAt] = [0, -Infinity];
        talk.failures.clear();
        const killedAt = performance.now();
        await kill();
        await talk.flows();
        const gapMs = await mediaFlows(peers);
        const failedMs = Math.max(0, Math.round(talk.failedAt - killedAt));
        console.log(
          `${what}: messages fail until ${failedMs} ms after (${JSON.stringify([...talk.failures])}), ` +
            `slowest answer ${Math.round(talk.slowestMs)} ms, longest gap between media packets ${gapMs} ms`,
        );
        await fleet.store.settled();
      };
      await during('the primary of Redis killed', () => redis.servers[0]!.process.stop('SIGKILL'));
      await during('a node of RabbitMQ killed', () => rabbit.nodes[0]!.process.stop('SIGKILL'));
      // Commands work: a participant is migrated.
      const [mover] = peers;
      const { status } = await fleet.api.request(
        'POST',
        `/v1/rooms/call-0/participants/${mover!.participantId}/migrate`,
      );
      expect(status).toBe(202);
      await waitFor('the participant is migrated', () => {
        if (mover!.moves.length === 0) notYet(`it is on ${mover!.nodeId}`);
      });
      await mediaFlows(peers);

      await talk.end();
      const members = [...rooms.values()].flat();
      expect(members.flatMap(({ lostWith }) => lostWith)).toEqual([]);
      expect(peers.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`))).toEqual([]);
      for (const each of members) each.leave();
      for (const peer of peers.splice(0)) peer.close();
      await fleet.store.emptied();
    } finally {
      for (const peer of peers) peer.close();
      await fleet.stop();
      await Promise.all([redis.stop(), rabbit.stop()]);
    }
  });
});
