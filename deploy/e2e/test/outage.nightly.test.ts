import { type Broker, startRabbitMq, startRedis } from '@flotilla/processes';
import { mediaRequest, notYet, RawClient, waitFor } from '@flotilla/testkit';
import { describe, expect, test } from 'vitest';
import { startTestFleet } from '../src/index.ts';
import { allReceived, ResumingClient } from './resuming-client.ts';

const outageMs = 120_000;
const membersPerRoom = 10;
const rooms = 10;

/** The outcomes of messages: the slowest answer, and the error codes. */
class Talk {
  readonly acknowledged = new Map<string, number[]>();
  readonly failures = new Map<string, number>();
  slowestMs = 0;
  #number = 0;

  async send(room: string, member: ResumingClient): Promise<void> {
    const number = ++this.#number;
    const { ok, code = 'none', ms } = await member.send(number);
    this.slowestMs = Math.max(this.slowestMs, ms);
    if (ok) this.acknowledged.set(room, [...(this.acknowledged.get(room) ?? []), number]);
    else this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
  }
}

/** Members send messages before, during and after a broker's outage of two minutes. */
async function talkThrough(name: string, outage: (brokers: { redis: Broker; rabbit: Broker }) => Broker) {
  const [redis, rabbit] = await Promise.all([startRedis({ durable: true }), startRabbitMq()]);
  const broker = outage({ redis, rabbit });
  const fleet = await startTestFleet(name, {
    sfuNodes: 1,
    gateways: 2,
    brokers: { redisUrl: redis.url, amqpUrl: rabbit.url, stop: async () => undefined },
    env: { FLOTILLA_SFU_CAPACITY: '500' },
  });
  try {
    const { api } = fleet;
    const members = new Map<string, ResumingClient[]>();
    for (let index = 0; index < rooms; index++) {
      const room = `room-${index}`;
      await api.createRoom({ name: room });
      const ofRoom = Array.from(
        { length: membersPerRoom },
        (_, each) => new ResumingClient(() => fleet.gatewayUrls[0]!, `${room}/${each}`),
      );
      await Promise.all(ofRoom.map((member, each) => member.join(api, room, fleet.gatewayUrls[each % 2]!)));
      members.set(room, ofRoom);
    }
    const talk = new Talk();
    const sendInAll = (): Promise<unknown> =>
      Promise.all(
        [...members].map(([room, ofRoom]) => talk.send(room, ofRoom[Math.floor(Math.random() * ofRoom.length)]!)),
      );
    for (let round = 0; round < 20; round++) await sendInAll();
    expect(talk.failures.size).toBe(0);

    const newcomer = await RawClient.connect(fleet.gatewayUrls[0]!, {
      token: await api.issueFleetToken({ userId: 'newcomer' }),
    });
    await broker.halt();
    const joinDuring = { codes: new Set<string>(), slowestMs: 0 };
    const backAt = performance.now() + outageMs;
    while (performance.now() < backAt) {
      await sendInAll();
      const began = performance.now();
      const reply = await newcomer.request('join', { room: 'room-1', ...mediaRequest });
      joinDuring.codes.add(reply.error?.code ?? 'ok');
      joinDuring.slowestMs = Math.max(joinDuring.slowestMs, performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const duringOutage = new Map(talk.failures);
    const resumedAt = performance.now();
    await broker.resume();
    // Each service reconnects by itself.
    await waitFor(
      'requests work again',
      async () => {
        const probe = new ResumingClient(() => fleet.gatewayUrls[0]!, 'probe');
        // A probe that may not join yet leaves its session behind otherwise.
        await probe.join(api, 'room-0', fleet.gatewayUrls[0]!).finally(() => probe.leave());
        const before = [...talk.failures.values()].reduce((sum, each) => sum + each, 0);
        await sendInAll();
        if ([...talk.failures.values()].reduce((sum, each) => sum + each, 0) > before)
          notYet(`messages fail: ${JSON.stringify([...talk.failures])}`);
      },
      { timeoutMs: 60_000, everyMs: 500 },
    );
    const recoveredMs = performance.now() - resumedAt;
    for (let round = 0; round < 20; round++) await sendInAll();
    for (const [room, ofRoom] of members) await allReceived(ofRoom, talk.acknowledged.get(room)!);
    const lostWith = [...members.values()].flat().flatMap((member) => member.lostWith);
    newcomer.close();
    await fleet.store.settled();
    for (const member of [...members.values()].flat()) member.leave();
    await fleet.store.emptied();
    return { lostWith, duringOutage, joinDuring, recoveredMs, slowestMs: talk.slowestMs };
  } finally {
    await fleet.stop();
    await Promise.all([redis.stop(), rabbit.stop()]);
  }
}

/** Bound of the time of a failing request, ms. The figure itself is printed. */
const failsFastMs = 6000;

describe.concurrent('an outage of a broker of two minutes, with 100 sessions', { timeout: 400_000 }, () => {
  test('Redis: no session is disconnected, requests fail fast and then work again, every acknowledged message arrives once', async () => {
    const outcome = await talkThrough('redis-outage', ({ redis }) => redis);
    console.log(
      `Redis outage: ${JSON.stringify({ ...outcome, duringOutage: [...outcome.duringOutage], joins: [...outcome.joinDuring.codes] })}`,
    );
    expect(outcome.lostWith).toEqual([]);
    expect([...outcome.duringOutage.keys()]).toEqual(['UNAVAILABLE']);
    expect([...outcome.joinDuring.codes]).toEqual(['UNAVAILABLE']);
    expect(Math.max(outcome.slowestMs, outcome.joinDuring.slowestMs)).toBeLessThan(failsFastMs);
  });

  test('RabbitMQ: no session is disconnected, messages are delivered, joins with media fail fast and then work again', async () => {
    const outcome = await talkThrough('rabbitmq-outage', ({ rabbit }) => rabbit);
    console.log(
      `RabbitMQ outage: ${JSON.stringify({ ...outcome, duringOutage: [...outcome.duringOutage], joins: [...outcome.joinDuring.codes] })}`,
    );
    expect(outcome.lostWith).toEqual([]);
    expect([...outcome.duringOutage.keys()]).toEqual([]);
    expect([...outcome.joinDuring.codes]).toEqual(['UNAVAILABLE']);
    expect(outcome.joinDuring.slowestMs).toBeLessThan(failsFastMs);
  });
});
