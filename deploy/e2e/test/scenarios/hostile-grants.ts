import { closeCodes, type Grant, participantIdOf, roomGrants } from '@flotilla/contracts';
import {
  joinWithMedia,
  notYet,
  publishAudio,
  RawClient,
  type Topology,
  uniqueName,
  UpgradeRefused,
  waitFor,
} from '@flotilla/testkit';
import { expect } from 'vitest';
import { HonestPair } from './honest-pair.ts';
import type { HostileScenario } from './hostile-frames.ts';

const forbidden = { ok: false, error: { code: 'FORBIDDEN' } };

/** Refreshes the session of a client with a token of the same user. */
const refresh = async (topology: Topology, raw: RawClient, room: string, userId: string, grants: Grant[]) =>
  raw.request('refresh_token', { token: await topology.api.issueToken(room, { userId, grants }) });

const outcomeOf = (connecting: Promise<RawClient>): Promise<unknown> =>
  connecting.then(
    () => 'connected',
    (error: unknown) => (error instanceof UpgradeRefused ? error.code : error),
  );

async function rtpCapabilitiesOf(raw: RawClient): Promise<object> {
  const { rtpCapabilities } = await raw.welcome();
  return rtpCapabilities as object;
}

/** Clients that take more than their grants, and whose grants are taken away. */
export const hostileGrants: readonly HostileScenario[] = [
  {
    title: 'a token allows nothing that its claims do not name: no room, no publication, no subscription',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async () => {
        const { api, signalUrls } = topology;
        const [room, other] = [await topology.api.newRoom('media'), await topology.api.newRoom('media')];
        const { raw } = await joinWithMedia(topology, room);
        expect(await publishAudio(raw, room)).toMatchObject({ ok: true });
        const joining = async (token: string, where: string) => {
          const client = await RawClient.connect(signalUrls[0]!, { token });
          const rtpCapabilities = await rtpCapabilitiesOf(client);
          const reply = await client.request('join', { room: where, rtpCapabilities });
          client.close();
          return reply;
        };
        const tokens = [
          await api.issueToken(room, { grants: [] }),
          await api.issueToken(room, { grants: ['broadcast'] }),
          await api.issueToken(other),
          await api.issueFleetToken({ room: undefined }),
        ];
        for (const token of tokens) expect(await joining(token, room)).toMatchObject(forbidden);

        const chatter = await joinWithMedia(topology, room, ['data']);
        expect(chatter.subscribed).toBeUndefined();
        const rtpCapabilities = await rtpCapabilitiesOf(chatter.raw);
        expect(await chatter.raw.request('open_media', { rtpCapabilities }, `room:${room}`)).toMatchObject(forbidden);
        const speaker = await joinWithMedia(topology, room, ['publish']);
        expect(speaker.subscribed).toEqual([]);
        expect(
          await speaker.raw.request('open_media', { rtpCapabilities, subscribe: true }, `room:${room}`),
        ).toMatchObject({ ok: true, payload: { subscriptions: [] } });
        const viewer = await joinWithMedia(topology, room, ['subscribe']);
        expect(viewer.subscribed).toHaveLength(1);
        expect(await publishAudio(viewer.raw, room)).toMatchObject(forbidden);
        for (const client of [raw, chatter.raw, speaker.raw, viewer.raw]) client.close();
      }),
  },
  {
    title: 'a refresh with fewer grants ends publications, subscriptions and the stay in the room at once',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async () => {
        const room = await topology.api.newRoom('media');
        const to = `room:${room}`;
        const userId = uniqueName('hostile');
        const token = await topology.api.issueToken(room, { userId });
        const { raw } = await joinWithMedia(topology, room, undefined, token);
        const honest = await joinWithMedia(topology, room);
        const published = await publishAudio(raw, room);
        const { publication } = published.payload as { publication: { id: string } };
        const { publication: theirs } = (await publishAudio(honest.raw, room)).payload as {
          publication: { id: string };
        };
        const subscribing = () => raw.request('subscribe', { publicationIds: [theirs.id] }, to);
        expect(await subscribing()).toMatchObject({ ok: true, payload: { failed: [] } });

        expect(await refresh(topology, raw, room, userId, ['subscribe'])).toMatchObject({ ok: true });
        await honest.raw.event('publication_removed', ({ payload }) => payload['publicationId'] === publication.id);
        expect(await honest.raw.event('grants_changed')).toMatchObject({ payload: { grants: ['subscribe'] } });
        expect(await publishAudio(raw, room)).toMatchObject(forbidden);

        expect(await refresh(topology, raw, room, userId, ['publish'])).toMatchObject({ ok: true });
        expect(await subscribing()).toMatchObject(forbidden);
        const update = { publicationIds: [theirs.id], paused: false };
        expect(await raw.request('update_subscriptions', update, to)).toMatchObject(forbidden);
        // Given back, the subscription is a new one: the first was closed.
        expect(await refresh(topology, raw, room, userId, [...roomGrants])).toMatchObject({ ok: true });
        await waitFor('the end of the subscription', async () => {
          const reply = await raw.request('update_subscriptions', update, to);
          if (reply.ok) notYet('it is open');
          expect(reply).toMatchObject({ error: { code: 'SUBSCRIPTION_NOT_FOUND' } });
        });

        expect(await refresh(topology, raw, room, userId, ['broadcast'])).toMatchObject({ ok: true });
        expect(await honest.raw.event('participant_left')).toMatchObject({ payload: { reason: 'removed' } });
        expect(await raw.request('message', { data: 1 }, to)).toMatchObject(forbidden);
        expect(await honest.raw.request('message', { data: 1 }, to)).toMatchObject({ ok: true });
        for (const client of [raw, honest.raw]) client.close();
      }),
  },
  {
    title: 'a user of another tenant finds no room, reaches nobody, and does not learn who is online',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        const userId = `victim-${Date.now().toString(36)}`;
        const { raw: victim } = await joinWithMedia(topology, pair.room, undefined, await topology.tokenOf(userId));
        const { id } = (await topology.api.request('GET', `/v1/rooms/${pair.room}`)).body as { id: string };
        const eve = await RawClient.connect(topology.signalUrls.at(-1)!, { token: await topology.tokenOf('evil/eve') });
        const errorOf = async (...request: Parameters<RawClient['request']>): Promise<unknown> =>
          (await eve.request(...request)).error;
        expect(await errorOf('join', { room: id })).toEqual(await errorOf('join', { room: 'rm_nothing' }));
        expect(await errorOf('join', { room: pair.room })).toMatchObject({ code: 'ROOM_NOT_FOUND' });
        const offline = await errorOf('message', { data: 1 }, 'user:nobody');
        expect(offline).toMatchObject({ code: 'RECIPIENT_OFFLINE' });
        for (const to of [`user:${userId}`, 'user:other/nobody'])
          expect(await errorOf('message', { data: 1 }, to)).toEqual(offline);
        const notInRoom = await errorOf('message', { data: 1 }, 'room:rm_nothing');
        expect(await errorOf('message', { data: 'hostile' }, `room:${id}`)).toEqual(notInRoom);
        await victim.request('ping');
        expect(JSON.stringify(victim.events)).not.toContain('hostile');
        for (const client of [victim, eve]) client.close();
      }),
  },
  {
    title:
      'a removed participant stays out of the room with its session, its resume token and new tokens, also those with the claim `bridge`',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async () => {
        const { api, signalUrls } = topology;
        const room = await topology.api.newRoom('media', { acceptBridged: true });
        const userId = uniqueName('removed');
        const token = await api.issueToken(room, { userId });
        const { raw } = await joinWithMedia(topology, room, undefined, token);
        const honest = await joinWithMedia(topology, room);
        await publishAudio(raw, room);
        const { participantId } = raw.replies[0]!.payload as { participantId: string };
        const removed = await api.request('DELETE', `/v1/rooms/${room}/participants/${participantId}?banSeconds=60`);
        expect(removed).toMatchObject({ status: 204 });
        expect(await honest.raw.event('participant_left')).toMatchObject({
          payload: { participantId, reason: 'removed', publicationIds: [expect.any(String)] },
        });
        expect((await api.request('GET', `/v1/rooms/${room}/bans`)).body).toMatchObject({
          bans: [{ userId, endsAt: expect.any(Number) }],
          next: null,
        });
        const banned = { ok: false, error: { code: 'BANNED' } };
        expect(await raw.request('join', { room })).toMatchObject(banned);
        const { resumeToken } = await raw.welcome();
        raw.socket.terminate();
        const resumed = await RawClient.resume(signalUrls.at(-1)!, resumeToken);
        expect(await resumed.request('resume', { offsets: {} })).toMatchObject({ payload: { rooms: [] } });
        expect(await resumed.request('join', { room })).toMatchObject(banned);
        const other = await RawClient.connect(signalUrls[0]!, { token: await api.issueToken(room, { userId }) });
        expect(await other.request('join', { room })).toMatchObject(banned);
        const bridge = await RawClient.connect(signalUrls.at(-1)!, {
          token: await api.issueFleetToken({ userId, bridge: [room] }),
        });
        const sendFromOutside = () => bridge.request('message', { data: 'from outside' }, `room:${room}`);
        expect(await sendFromOutside()).toMatchObject(banned);
        expect(await api.request('DELETE', `/v1/rooms/${room}/bans/${userId}`)).toMatchObject({ status: 204 });
        expect(await sendFromOutside()).toMatchObject({ ok: true });
        expect(await other.request('join', { room })).toMatchObject({ ok: true });
        for (const client of [resumed, other, bridge, honest.raw]) client.close();
      }),
  },
  {
    title: 'a revoked session and the sessions of a revoked user end at once and cannot resume',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async () => {
        const { api, signalUrls } = topology;
        const room = await topology.api.newRoom('media');
        const userId = uniqueName('revoked');
        const honest = await joinWithMedia(topology, room);
        const enter = async () =>
          (await joinWithMedia(topology, room, undefined, await api.issueToken(room, { userId }))).raw;
        const unused = await api.issueToken(room, { userId });
        const single = await enter();
        const { sessionId, resumeToken } = await single.welcome();
        expect(await api.request('DELETE', `/v1/sessions/${sessionId}`)).toMatchObject({ status: 204 });
        expect(await api.request('DELETE', `/v1/sessions/${sessionId}`)).toMatchObject({ status: 404 });
        expect((await single.closed).code).toBe(closeCodes.SESSION_REVOKED);
        expect(await outcomeOf(RawClient.resume(signalUrls[0]!, resumeToken))).toBe('SESSION_EXPIRED');
        await honest.raw.event('participant_left', ({ payload }) => payload['reason'] === 'revoked');

        const both = [await enter(), await enter()];
        expect(await api.request('POST', `/v1/users/${userId}/revoke`, {})).toMatchObject({
          status: 200,
          body: { sessions: 2 },
        });
        for (const client of both) {
          expect((await client.closed).code).toBe(closeCodes.SESSION_REVOKED);
          const token = (await client.welcome()).resumeToken;
          expect(await outcomeOf(RawClient.resume(signalUrls[0]!, token))).toBe('SESSION_EXPIRED');
        }
        expect(await outcomeOf(RawClient.connect(signalUrls[0]!, { token: unused }))).toBe('TOKEN_REVOKED');
        const { participants } = (await api.request('GET', `/v1/rooms/${room}/participants`)).body as {
          participants: object[];
        };
        expect(participants).toHaveLength(1);
        honest.raw.close();
      }),
  },
  {
    title: 'when tokens are revoked, the sessions of those tokens end at once, and sessions of later tokens stay',
    run: async (topology, report) => {
      const { api, signalUrls } = topology;
      const room = await api.newRoom('media');
      const userId = uniqueName('revoked');
      const unused = await api.issueToken(room, { userId });
      const victims = [await joinWithMedia(topology, room), await joinWithMedia(topology, room)];
      const lost = await joinWithMedia(topology, room);
      const { resumeToken } = await lost.raw.welcome();
      lost.raw.socket.terminate();
      const issuedBefore = Math.floor(Date.now() / 1000) + 1;
      await waitFor('tokens are dated later', () =>
        Date.now() < issuedBefore * 1000 ? notYet('it is the same second') : undefined,
      );
      await HonestPair.beside(topology, report, async () => {
        const honest = await joinWithMedia(topology, room);
        const revoked = await api.request('POST', '/v1/tokens/revoke', { issuedBefore });
        expect(revoked).toMatchObject({ status: 200, body: { issuedBefore } });
        expect((revoked.body as { sessions: number }).sessions).toBeGreaterThanOrEqual(3);
        for (const { raw } of victims) {
          expect((await raw.closed).code).toBe(closeCodes.SESSION_REVOKED);
          const { sessionId, resumeToken: token } = await raw.welcome();
          expect(await outcomeOf(RawClient.resume(signalUrls.at(-1)!, token))).toBe('SESSION_EXPIRED');
          await honest.raw.event(
            'participant_left',
            ({ payload }) => payload['participantId'] === participantIdOf(sessionId) && payload['reason'] === 'revoked',
          );
        }
        expect(await outcomeOf(RawClient.resume(signalUrls.at(-1)!, resumeToken))).toBe('SESSION_EXPIRED');
        expect(await outcomeOf(RawClient.connect(signalUrls[0]!, { token: unused }))).toBe('TOKEN_REVOKED');
        expect(await honest.raw.request('ping')).toMatchObject({ ok: true });
        honest.raw.close();
      });
    },
  },
];
