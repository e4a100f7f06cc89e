import { createHmac } from 'node:crypto';
import { maxFrameBytes, resumeSubprotocolPrefix, signalPath, subprotocol } from '@flotilla/contracts';
import { expect } from 'vitest';
import { enter, httpAnswer, openingHandshake, RawClient, type Topology, UpgradeRefused } from '@flotilla/testkit';

/** Invalid upgrades and requests with their documented responses. After each, an honest client must be served. */
export interface MisuseScenario {
  readonly title: string;
  readonly run: (topology: Topology) => Promise<void>;
}

const refusal = (attempt: Promise<RawClient>): Promise<{ status: number; code: string | undefined }> =>
  attempt.then(
    () => Promise.reject(new Error('the connection was accepted')),
    (error: unknown) => {
      if (!(error instanceof UpgradeRefused)) throw error;
      return { status: error.status, code: error.code };
    },
  );

/** Checks that an honest client is served. */
async function expectServed(topology: Topology): Promise<void> {
  const room = await topology.api.newRoom('misuse');
  const [ada, bob] = await Promise.all([enter(topology, room), enter(topology, room, 1)]);
  await ada.request('message', { data: 'hello' }, `room:${room}`);
  expect(await bob.event('message')).toMatchObject({ payload: { data: 'hello' } });
  ada.close();
  bob.close();
}

export const misuseScenarios: readonly MisuseScenario[] = [
  {
    title: 'a missing, malformed, foreign, expired or replayed token is refused with its code',
    run: async (topology) => {
      const room = await topology.api.newRoom('misuse');
      const url = topology.signalUrls[0]!;
      const token = await topology.api.issueToken(room);
      const [header, payload] = token.split('.') as [string, string];
      const foreign = `${header}.${payload}.${createHmac('sha256', 'another secret of enough length!').update(`${header}.${payload}`).digest('base64url')}`;
      const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;

      expect(await refusal(RawClient.connect(url, {}))).toEqual({ status: 401, code: 'UNAUTHENTICATED' });
      for (const wrong of ['nonsense', foreign, none, `${token}x`]) {
        expect(await refusal(RawClient.connect(url, { token: wrong }))).toEqual({ status: 401, code: 'TOKEN_INVALID' });
      }
      expect(
        await refusal(RawClient.connect(url, { protocols: [subprotocol, `${resumeSubprotocolPrefix}nonsense`] })),
      ).toEqual({ status: 401, code: 'SESSION_EXPIRED' });
      expect(await refusal(RawClient.connect(url, { token: await topology.expiredToken(room) }))).toEqual({
        status: 401,
        code: 'TOKEN_EXPIRED',
      });

      const client = await RawClient.connect(url, { token });
      // On every gateway.
      const again = await Promise.all(topology.signalUrls.map((each) => refusal(RawClient.connect(each, { token }))));
      for (const each of again) expect(each).toEqual({ status: 401, code: 'TOKEN_REPLAYED' });
      client.close();
      await expectServed(topology);
    },
  },
  {
    title: 'an upgrade without WebSocket, without a supported subprotocol or from a foreign origin is refused',
    run: async (topology) => {
      const room = await topology.api.newRoom('misuse');
      const url = topology.signalUrls[0]!;
      const endpoint = new URL(signalPath, url.replace(/^ws/, 'http'));
      expect(await httpAnswer(endpoint)).toMatchObject({
        status: 426,
        headers: { upgrade: 'websocket' },
        body: { error: { code: 'UPGRADE_REQUIRED' } },
      });
      const otherVersion = { ...openingHandshake, 'Sec-WebSocket-Version': '12' };
      expect(await httpAnswer(endpoint, { headers: otherVersion })).toMatchObject({
        status: 426,
        headers: { upgrade: 'websocket', 'sec-websocket-version': '13' },
        body: { error: { code: 'UPGRADE_REQUIRED' } },
      });
      const { 'Sec-WebSocket-Key': _key, ...keyless } = openingHandshake;
      for (const attempt of [
        { method: 'POST' },
        { method: 'POST', headers: openingHandshake },
        { headers: { ...openingHandshake, Upgrade: 'h2c' } },
        { headers: { ...openingHandshake, 'Sec-WebSocket-Key': 'short' } },
        { headers: keyless },
      ])
        expect({ attempt, ...(await httpAnswer(endpoint, attempt)) }).toMatchObject({
          attempt,
          status: 400,
          body: { error: { code: 'BAD_MESSAGE' } },
        });
      expect(await refusal(RawClient.connect(url, { protocols: ['chat'] }))).toEqual({
        status: 400,
        code: 'BAD_MESSAGE',
      });
      const token = await topology.api.issueToken(room);
      expect(await refusal(RawClient.connect(url, { token, headers: { origin: 'https://evil.example' } }))).toEqual({
        status: 403,
        code: 'FORBIDDEN',
      });
      await expectServed(topology);
    },
  },
  {
    title:
      'malformed JSON, unknown types, forged senders and invalid payloads get their error codes and change nothing',
    run: async (topology) => {
      const room = await topology.api.newRoom('misuse');
      const [client, observer] = [await enter(topology, room), await enter(topology, room, 1)];
      const to = `room:${room}`;
      const answers: [string, string][] = [
        ['{', 'BAD_MESSAGE'],
        ['[]', 'BAD_MESSAGE'],
        ['null', 'BAD_MESSAGE'],
        ['"text"', 'BAD_MESSAGE'],
        ['{"id":"1"}', 'BAD_MESSAGE'],
        ['{"id":1,"type":"ping"}', 'BAD_MESSAGE'],
        ['{"id":"1","type":"ping","to":"nowhere"}', 'BAD_MESSAGE'],
        [JSON.stringify({ id: '1', type: 'message', to, from: 'pt_somebody', payload: { data: 1 } }), 'BAD_MESSAGE'],
        [JSON.stringify({ id: '1', type: 'message', payload: { data: 1 } }), 'BAD_MESSAGE'],
        [JSON.stringify({ id: '1', type: 'no_such_request', payload: {} }), 'UNKNOWN_TYPE'],
        [JSON.stringify({ id: '1', type: 'constructor', payload: {} }), 'UNKNOWN_TYPE'],
        [JSON.stringify({ id: '1', type: 'join', payload: { room: 'Not A Room!' } }), 'BAD_PAYLOAD'],
        [JSON.stringify({ id: '1', type: 'join', payload: { room, surprise: 1 } }), 'BAD_PAYLOAD'],
        [JSON.stringify({ id: '1', type: 'mute', to, payload: { publicationId: 7, muted: true } }), 'BAD_PAYLOAD'],
        [JSON.stringify({ id: '1', type: 'join', payload: { room } }), 'ALREADY_IN_ROOM'],
        [
          JSON.stringify({ id: '1', type: 'mute', to, payload: { publicationId: 'pub_none', muted: true } }),
          'MEDIA_NOT_OPEN',
        ],
        [JSON.stringify({ id: '1', type: 'leave', to: 'room:some-other-room', payload: {} }), 'NOT_IN_ROOM'],
      ];
      for (const [message, code] of answers)
        expect({ message, ...(await client.sendRaw(message)) }).toMatchObject({ message, ok: false, error: { code } });
      const seen = observer.events.map(({ type }) => type);
      expect(await client.request('ping')).toMatchObject({ ok: true });
      expect(observer.events.map(({ type }) => type)).toEqual(seen);
      client.close();
      observer.close();
      await expectServed(topology);
    },
  },
  {
    title: 'an oversized message closes the connection with 1009, a binary one is refused',
    run: async (topology) => {
      const room = await topology.api.newRoom('misuse');
      const client = await enter(topology, room);
      client.socket.send(Buffer.from([1, 2, 3]));
      expect(await client.sendRaw('{')).toMatchObject({ ok: false, error: { code: 'BAD_MESSAGE' } });
      client.socket.send(
        JSON.stringify({ id: '1', type: 'message', to: `room:${room}`, payload: { data: 'x'.repeat(maxFrameBytes) } }),
      );
      expect(await client.closed).toMatchObject({ code: 1009 });
      await expectServed(topology);
    },
  },
  {
    title:
      'a full room, an unknown room, a room the token is not for, a missing grant and an unknown participant have their codes',
    run: async (topology) => {
      const url = topology.signalUrls[0]!;
      const connect = async (room: string, parameters = {}) => {
        const client = await RawClient.connect(url, { token: await topology.api.issueToken(room, parameters) });
        await client.event('welcome');
        return client;
      };
      const full = await topology.api.newRoom('misuse', { maxParticipants: 1 });
      const first = await enter(topology, full);
      const second = await connect(full);
      expect(await second.request('join', { room: full })).toMatchObject({ ok: false, error: { code: 'ROOM_FULL' } });
      expect(await second.request('join', { room: 'another-room' })).toMatchObject({
        ok: false,
        error: { code: 'FORBIDDEN' },
      });
      expect(await first.request('message', { data: 1 }, `room:${full}`)).toMatchObject({ ok: true });

      const deleted = await topology.api.newRoom('misuse');
      const late = await connect(deleted);
      expect(await topology.api.request('DELETE', `/v1/rooms/${deleted}`)).toMatchObject({ status: 204 });
      expect(await late.request('join', { room: deleted })).toMatchObject({
        ok: false,
        error: { code: 'ROOM_NOT_FOUND' },
      });

      const quiet = await topology.api.newRoom('misuse');
      const silent = await connect(quiet, { grants: ['subscribe'] });
      expect(await silent.request('join', { room: quiet })).toMatchObject({ ok: true });
      expect(await silent.request('message', { data: 1 }, `room:${quiet}`)).toMatchObject({
        ok: false,
        error: { code: 'FORBIDDEN' },
      });

      expect(await topology.api.request('DELETE', `/v1/rooms/${quiet}/participants/pt_nobody`)).toMatchObject({
        status: 404,
        body: { error: { code: 'PARTICIPANT_NOT_FOUND' } },
      });
      for (const client of [first, second, late, silent]) client.close();
      await expectServed(topology);
    },
  },
  {
    title: 'a participant removed over REST is notified and leaves the room, and the others get the reason',
    run: async (topology) => {
      const room = await topology.api.newRoom('misuse');
      const [removed, observer] = [await enter(topology, room), await enter(topology, room, 1)];
      const { participantId } = (removed.replies[0]!.payload ?? {}) as { participantId: string };
      expect(await topology.api.request('DELETE', `/v1/rooms/${room}/participants/${participantId}`)).toMatchObject({
        status: 204,
      });
      for (const client of [removed, observer])
        expect(await client.event('participant_left')).toMatchObject({ payload: { participantId, reason: 'removed' } });
      expect(await removed.request('message', { data: 1 }, `room:${room}`)).toMatchObject({
        ok: false,
        error: { code: 'NOT_IN_ROOM' },
      });
      removed.close();
      observer.close();
      await expectServed(topology);
    },
  },
  {
    title: 'the REST API requires a key, validates every field, paginates and serves its OpenAPI document',
    run: async (topology) => {
      const { api } = topology;
      expect(await api.request('GET', '/v1/rooms', undefined, { authorization: '' })).toMatchObject({
        status: 401,
        body: { error: { code: 'UNAUTHENTICATED' } },
      });
      expect(await api.request('GET', '/v1/rooms', undefined, { authorization: 'Bearer wrong' })).toMatchObject({
        status: 403,
        body: { error: { code: 'FORBIDDEN' } },
      });
      expect(await api.request('POST', '/v1/rooms', { name: 'Not OK' })).toMatchObject({
        status: 400,
        body: { error: { code: 'BAD_PAYLOAD', message: expect.stringContaining('name') as string } },
      });
      expect(await api.request('POST', '/v1/rooms', { name: 'ok', surprise: 1 })).toMatchObject({
        status: 400,
        body: { error: { code: 'BAD_PAYLOAD' } },
      });
      expect(await api.request('POST', '/v1/rooms', '{')).toMatchObject({
        status: 400,
        body: { error: { code: 'BAD_PAYLOAD' } },
      });
      expect(await api.request('GET', '/v1/no-such-path')).toMatchObject({
        status: 404,
        body: { error: { code: 'NOT_FOUND' } },
      });
      expect(await api.request('GET', '/v1/rooms/no-such-room')).toMatchObject({
        status: 404,
        body: { error: { code: 'ROOM_NOT_FOUND' } },
      });

      const names = [
        await topology.api.newRoom('misuse'),
        await topology.api.newRoom('misuse'),
        await topology.api.newRoom('misuse'),
      ];
      expect(await api.request('POST', '/v1/rooms', { name: names[0], maxParticipants: 7 })).toMatchObject({
        status: 409,
        body: { error: { code: 'ROOM_EXISTS' } },
      });
      expect(await api.request('POST', '/v1/rooms', { name: names[0] })).toMatchObject({ status: 201 });
      const listed: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const { body } = await api.request(
          'GET',
          `/v1/rooms?limit=2${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
        );
        const page = body as { rooms: { name: string }[]; next: string | null };
        listed.push(...page.rooms.map(({ name }) => name));
        cursor = page.next;
      }
      expect(listed.filter((name) => names.includes(name))).toEqual(names);
      expect(new Set(listed).size).toBe(listed.length);

      const member = await enter(topology, names[0]!);
      expect(await api.request('GET', `/v1/rooms/${names[0]}`)).toMatchObject({
        body: { name: names[0], participants: 1 },
      });
      expect(await api.request('GET', `/v1/rooms/${names[0]}/participants`)).toMatchObject({
        body: { participants: [{ joinedAt: expect.any(Number) as number }] },
      });
      expect(await api.request('DELETE', `/v1/rooms/${names[0]}`)).toMatchObject({ status: 204 });
      await member.event('room_deleted');
      member.close();

      const { body: document } = await api.request('GET', '/v1/openapi.json');
      expect(Object.keys((document as { paths: object }).paths)).toContain('/v1/rooms/{room}/tokens');
      await expectServed(topology);
    },
  },
];
