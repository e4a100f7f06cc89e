import { maxTokenSeconds, type Reply } from '@flotilla/contracts';
import { expect } from 'vitest';
import { gatewayUrl, notYet, RawClient, type Topology, uniqueName, UpgradeRefused, waitFor } from '@flotilla/testkit';

/** Scenarios of messages to users, rooms and all participants, live and after a resume. Each cleans up. */
export interface RoutingScenario {
  readonly title: string;
  readonly run: (topology: Topology) => Promise<void>;
}

interface ConnectOptions {
  readonly userId?: string;
  readonly gateway?: number;
  readonly room?: string;
  readonly grants?: ('publish' | 'subscribe' | 'data' | 'broadcast' | 'admin')[];
  readonly bridge?: string[];
  readonly ttlSeconds?: number;
}

/** Clients of one scenario, which are closed at its end. */
class Clients {
  readonly #all: RawClient[] = [];

  constructor(readonly topology: Topology) {}

  async connect({ gateway, userId = uniqueName('user'), ...parameters }: ConnectOptions = {}): Promise<RawClient> {
    const token = await this.topology.api.issueFleetToken({ userId, ...parameters });
    return this.#keep(await RawClient.connect(gatewayUrl(this.topology, gateway), { token }));
  }

  async joined(room: string, parameters: ConnectOptions = {}): Promise<RawClient> {
    const client = await this.connect(parameters);
    expect(await client.request('join', { room })).toMatchObject({ ok: true });
    return client;
  }

  async resume(resumeToken: string, gateway?: number): Promise<RawClient> {
    return this.#keep(await RawClient.resume(gatewayUrl(this.topology, gateway), resumeToken));
  }

  #keep(client: RawClient): RawClient {
    this.#all.push(client);
    return client;
  }

  close(): void {
    for (const client of this.#all) client.close();
  }
}

const scenario = (title: string, run: (clients: Clients) => Promise<void>): RoutingScenario => ({
  title,
  run: async (topology) => {
    const clients = new Clients(topology);
    try {
      await run(clients);
    } finally {
      clients.close();
    }
  },
});

/** Messages to an address that a client received, in order. */
const dataTo = (client: RawClient, to: string): unknown[] =>
  client.events.filter((event) => event.type === 'message' && event.to === to).map(({ payload }) => payload['data']);

const got = (client: RawClient, to: string, expected: readonly unknown[]): Promise<void> =>
  waitFor(`${expected.length} messages to ${to}`, () => {
    const data = dataTo(client, to);
    if (data.length < expected.length) notYet(`there are ${data.length}: ${JSON.stringify(data)}`);
    expect(data).toEqual(expected);
  });

const failsWith = (code: string) => expect.objectContaining({ ok: false, error: expect.objectContaining({ code }) });

const seqOf = (reply: Reply): string => String(reply.payload?.['seq']);

export const routingScenarios: readonly RoutingScenario[] = [
  scenario(
    'a message to a user reaches all sessions of the user on any gateway once, with the sender set by the server',
    async (clients) => {
      const userId = uniqueName('ada');
      const devices = await Promise.all([0, 0, 1].map((gateway) => clients.connect({ userId, gateway })));
      const bystander = await clients.connect();
      const senderId = uniqueName('bob');
      const sender = await clients.connect({ userId: senderId, gateway: 1 });
      const before = Date.now();
      const reply = await sender.request('message', { data: { n: 1 } }, `user:${userId}`);
      expect(reply).toMatchObject({ ok: true });
      await sender.request('message', { data: { n: 2 } }, `user:${userId}`);
      for (const device of devices) {
        await got(device, `user:${userId}`, [{ n: 1 }, { n: 2 }]);
        const event = await device.event('message');
        expect(event).toMatchObject({ from: `user:${senderId}`, to: `user:${userId}`, seq: seqOf(reply) });
        expect(event.routedAt).toBeGreaterThanOrEqual(before - 1000);
      }
      // A later message on the same path proves that no other arrived.
      const bystanderId = (await bystander.event('welcome')).to;
      await sender.request('message', { data: 'for you' }, bystanderId);
      await got(bystander, bystanderId, ['for you']);
      expect(bystander.events.filter(({ type }) => type === 'message')).toHaveLength(1);
    },
  ),

  scenario(
    'a session that resumes on another gateway gets the missed messages in order; a user without sessions is offline',
    async (clients) => {
      const userId = uniqueName('ada');
      const to = `user:${userId}`;
      const sender = await clients.connect();
      expect(await sender.request('message', { data: 0 }, to)).toEqual(failsWith('RECIPIENT_OFFLINE'));

      const first = await clients.connect({ userId });
      const { resumeToken, offsets } = await first.welcome();
      await sender.request('message', { data: 'seen' }, to);
      await got(first, to, ['seen']);
      const { seq } = await first.event('message');
      first.socket.terminate();
      for (let number = 0; number < 20; number++)
        expect(await sender.request('message', { data: number }, to)).toMatchObject({ ok: true });

      const back = await clients.resume(resumeToken, 1);
      const again = await back.welcome();
      await sender.request('message', { data: 'after' }, to);
      expect(await back.request('resume', { offsets: { [to]: seq } })).toMatchObject({
        ok: true,
        payload: { missed: [], rooms: [] },
      });
      await got(back, to, [...Array.from({ length: 20 }, (_, number) => number), 'after']);

      // Again, from before the first message.
      back.socket.terminate();
      const third = await clients.resume(again.resumeToken);
      await third.request('resume', { offsets: { [to]: offsets[to] } });
      await got(third, to, ['seen', ...Array.from({ length: 20 }, (_, number) => number), 'after']);

      third.close();
      await third.closed;
      await waitFor('the offline user', async () => {
        const reply = await sender.request('message', { data: 0 }, to);
        if (reply.ok) notYet('a message was accepted');
        expect(reply).toEqual(failsWith('RECIPIENT_OFFLINE'));
      });
    },
  ),

  scenario(
    'a message to all participants needs the grant, reaches all, and is delivered to sessions that resume later',
    async (clients) => {
      const [ada, bob, cleo] = [
        await clients.connect(),
        await clients.connect({ gateway: 1 }),
        await clients.connect(),
      ];
      expect(await ada.request('message', { data: 'x' }, '*')).toEqual(failsWith('FORBIDDEN'));
      const speaker = await clients.connect({ grants: ['broadcast'], gateway: 1 });
      const mark = uniqueName('mark');
      const { resumeToken, offsets } = await cleo.welcome();
      expect(offsets['*']).toMatch(/^\d+-\d+$/);
      expect(await speaker.request('message', { data: mark }, '*')).toMatchObject({ ok: true });
      for (const client of [ada, bob, cleo, speaker])
        await client.event('message', (event) => event.to === '*' && event.payload['data'] === mark);
      const seen = await cleo.event('message', (event) => event.payload['data'] === mark);

      cleo.socket.terminate();
      await speaker.request('message', { data: `${mark}-missed` }, '*');
      const back = await clients.resume(resumeToken, 1);
      expect(await back.request('resume', { offsets: { '*': seen.seq } })).toMatchObject({ payload: { missed: [] } });
      const missed = await back.event('message');
      expect(missed.payload['data']).toBe(`${mark}-missed`);

      // An offset before the kept messages is reported as trimmed.
      back.socket.terminate();
      const third = await clients.resume((await back.welcome()).resumeToken);
      expect(await third.request('resume', { offsets: { '*': '1-7' } })).toMatchObject({ payload: { missed: ['*'] } });
    },
  ),

  scenario(
    'a message to a room without membership needs a bridge claim for it and a room that accepts bridged messages',
    async (clients) => {
      const { topology } = clients;
      const [open, closed] = [
        await topology.api.newRoom('room', { acceptBridged: true }),
        await topology.api.newRoom('room'),
      ];
      const inOpen = await clients.joined(open);
      const bridgeId = uniqueName('bridge');
      const bridge = await clients.connect({ userId: bridgeId, bridge: [open, closed, 'no-such-room'], gateway: 1 });
      const stranger = await clients.connect();
      expect(await stranger.request('message', { data: 1 }, `room:${open}`)).toEqual(failsWith('NOT_IN_ROOM'));
      expect(await bridge.request('message', { data: 1 }, `room:${closed}`)).toEqual(failsWith('FORBIDDEN'));
      expect(await bridge.request('message', { data: 1 }, 'room:no-such-room')).toEqual(failsWith('ROOM_NOT_FOUND'));
      const mute = await clients.connect({ bridge: [open], grants: ['subscribe'] });
      expect(await mute.request('message', { data: 1 }, `room:${open}`)).toEqual(failsWith('FORBIDDEN'));
      expect(await bridge.request('message', { data: 'from outside' }, `room:${open}`)).toMatchObject({ ok: true });
      expect(await inOpen.event('message')).toMatchObject({
        from: `user:${bridgeId}`,
        payload: { data: 'from outside' },
      });
      // Sending does not make the session a member.
      expect(await bridge.request('leave', {}, `room:${open}`)).toEqual(failsWith('NOT_IN_ROOM'));
    },
  ),

  scenario(
    'a session in several rooms gets the events of each, resumes all, and is limited in their number',
    async (clients) => {
      const rooms = await Promise.all(Array.from({ length: 17 }, () => clients.topology.api.newRoom('room')));
      const many = await clients.connect();
      const { resumeToken } = await many.welcome();
      const offsets: Record<string, string> = {};
      for (const room of rooms.slice(0, 16)) {
        const reply = await many.request('join', { room });
        const { room: joined, offset } = (reply.payload as { snapshot: { room: { id: string }; offset: string } })
          .snapshot;
        offsets[`room:${joined.id}`] = offset;
      }
      expect(await many.request('join', { room: rooms[16] })).toEqual(failsWith('TOO_MANY_ROOMS'));
      const others = await Promise.all(rooms.slice(0, 3).map((room) => clients.joined(room, { gateway: 1 })));
      many.socket.terminate();
      for (const [index, other] of others.entries())
        await other.request('message', { data: index }, `room:${rooms[index]}`);
      const back = await clients.resume(resumeToken, 1);
      const reply = await back.request('resume', { offsets });
      const resumed = (reply.payload as { rooms: { resumed: boolean }[] }).rooms;
      expect(resumed).toHaveLength(16);
      expect(resumed.every((room) => room.resumed)).toBe(true);
      await waitFor('the messages of all three', () => {
        const data = back.events.filter(({ type }) => type === 'message').map(({ payload }) => payload['data']);
        if (data.length < 3) notYet(`there are ${JSON.stringify(data)}`);
        expect(new Set(data)).toEqual(new Set([0, 1, 2]));
      });
    },
  ),

  scenario('a session that resumes after its events were trimmed gets a snapshot of the room', async (clients) => {
    const room = await clients.topology.api.newRoom('room');
    const ada = await clients.joined(room);
    const bob = await clients.joined(room);
    await ada.event('participant_joined');
    const { resumeToken } = await ada.welcome();
    const address = (await ada.event('participant_joined')).to;
    ada.socket.terminate();
    await bob.request('leave', {}, address);
    const back = await clients.resume(resumeToken, 1);
    const reply = await back.request('resume', { offsets: { [address]: '1-0' } });
    expect(reply).toMatchObject({ ok: true, payload: { rooms: [{ resumed: false }] } });
    const [{ snapshot }] = (reply.payload as { rooms: [{ snapshot: { participants: unknown[] } }] }).rooms;
    expect(snapshot.participants).toHaveLength(1);
    const cleo = await clients.joined(room, { gateway: 1 });
    expect((await back.event('participant_joined')).payload).toMatchObject({
      participant: { userId: (await cleo.event('welcome')).to.slice('user:'.length) },
    });
  }),

  scenario(
    'a newer token of the same user refreshes the session and applies at once; otherwise the session expires',
    async (clients) => {
      const { api } = clients.topology;
      const userId = uniqueName('ada');
      const [kept, lapsed] = [
        await clients.connect({ userId, ttlSeconds: 10, grants: ['data'] }),
        await clients.connect({ ttlSeconds: 10 }),
      ];
      const { expiresAt } = await kept.welcome();
      expect(expiresAt - Date.now()).toBeLessThanOrEqual(10_000);
      expect(await kept.event('token_expiring')).toMatchObject({ payload: { expiresAt } });
      expect(await kept.request('message', { data: 1 }, '*')).toEqual(failsWith('FORBIDDEN'));

      const foreign = await api.issueFleetToken({ userId: uniqueName('eve') });
      expect(await kept.request('refresh_token', { token: foreign })).toEqual(failsWith('FORBIDDEN'));
      expect(await kept.request('refresh_token', { token: 'nonsense' })).toEqual(failsWith('TOKEN_INVALID'));
      const token = await api.issueFleetToken({ userId, grants: ['data', 'broadcast'] });
      const reply = await kept.request('refresh_token', { token });
      expect(reply).toMatchObject({ ok: true });
      expect(Number(reply.payload?.['expiresAt'])).toBeGreaterThan(Date.now() + (maxTokenSeconds - 60) * 1000);
      const sibling = await clients.connect({ userId });
      expect(await sibling.request('refresh_token', { token })).toEqual(failsWith('TOKEN_REPLAYED'));
      expect(await kept.request('message', { data: uniqueName('all') }, '*')).toMatchObject({ ok: true });

      expect((await lapsed.closed).code).toBe(4401);
      expect(Date.now()).toBeGreaterThanOrEqual(expiresAt - 1000);
      expect(await kept.request('ping')).toMatchObject({ ok: true });
      // An expired session cannot be resumed.
      const { resumeToken } = await lapsed.welcome();
      await waitFor('the expired session', async () => {
        const outcome = await clients.resume(resumeToken).then(
          () => 'resumed',
          (error: unknown) => (error instanceof UpgradeRefused ? error.code : String(error)),
        );
        if (outcome !== 'SESSION_EXPIRED') notYet(`it is ${outcome}`);
      });
    },
  ),

  scenario('a client with a wrong clock is refused with the difference and the correct time', async ({ topology }) => {
    const token = await topology.api.issueFleetToken({ userId: uniqueName('ada') });
    const url = gatewayUrl(topology);
    const refused = await RawClient.connect(url, {
      token,
      headers: { 'flotilla-time': String(Date.now() - 45_000) },
    }).then(
      () => undefined,
      (error: unknown) => error as UpgradeRefused,
    );
    expect(refused).toMatchObject({ status: 401, body: { error: { code: 'CLOCK_SKEW' } } });
    expect(refused?.body?.error?.message).toMatch(/45\.\d s behind/);
    const answer = await fetch(new URL('/v1/signal/validate', url), {
      headers: { authorization: `Bearer ${token}`, 'flotilla-time': '1' },
    });
    expect(answer.status).toBe(401);
    expect(Math.abs(Number(answer.headers.get('flotilla-time')) - Date.now())).toBeLessThan(5000);
    // The attempt did not use the token.
    const client = await RawClient.connect(url, { token, headers: { 'flotilla-time': String(Date.now() + 20_000) } });
    client.close();
  }),

  scenario(
    'requests above the rate are refused, then the connection is closed, while others are served',
    async (clients) => {
      const room = await clients.topology.api.newRoom('room');
      const [flooder, honest] = [await clients.joined(room), await clients.joined(room)];
      for (let number = 0; number < 400; number++)
        flooder.socket.send(JSON.stringify({ id: `f${number}`, type: 'ping' }));
      await waitFor('a refusal', () => {
        if (!flooder.replies.some((reply) => !reply.ok && reply.error?.code === 'RATE_LIMITED'))
          notYet('all requests were accepted');
      });
      expect(await honest.request('ping')).toMatchObject({ ok: true });
      for (let number = 0; number < 2000; number++) flooder.socket.send('{"id":"x","type":"ping"}');
      expect((await flooder.closed).code).toBe(4429);
      expect(await honest.request('message', { data: 'still here' }, `room:${room}`)).toMatchObject({ ok: true });
    },
  ),
];
