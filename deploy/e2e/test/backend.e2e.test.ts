import { type Backend, createBackend } from '@flotilla/backend';
import { participantIdOf, restRoutes } from '@flotilla/contracts';
import { gatewayUrl, RawClient, type Topology, uniqueName } from '@flotilla/testkit';
import { beforeEach, describe, expect, test } from 'vitest';
import { topologies } from './use-topology.ts';

const grants = ['publish', 'subscribe', 'data'] as const;

describe.each(topologies)('the SDK for backends, on %s', (_name, use) => {
  let topology: Topology;
  let backend: Backend;
  use((it) => (topology = it));
  beforeEach(() => {
    backend = createBackend({ url: topology.api.url, apiKey: topology.api.apiKey });
  });

  async function join(room: string, userId: string): Promise<{ client: RawClient; participantId: string }> {
    const { token } = await backend.issueToken({ room, userId, grants: [...grants] });
    const client = await RawClient.connect(gatewayUrl(topology), { token });
    const { sessionId } = await client.welcome();
    expect(await client.request('join', { room })).toMatchObject({ ok: true });
    return { client, participantId: participantIdOf(sessionId) };
  }

  test('has a method for each operation of the REST API', () => {
    expect(Object.keys(backend).toSorted()).toEqual(Object.keys(restRoutes).toSorted());
  });

  test('a removed user is banned, listed, and joins again when the ban is lifted; the others see that it left', async () => {
    const { name: room } = await backend.createRoom({});
    const user = uniqueName('ada');
    const [witness, removed] = [await join(room, 'bob'), await join(room, user)];
    const { participants } = await backend.listParticipants({ room });
    expect(participants.map(({ id }) => id).toSorted()).toEqual(
      [witness.participantId, removed.participantId].toSorted(),
    );
    await backend.removeParticipant({ room, participant: removed.participantId, banSeconds: 60 });
    expect(await witness.client.event('participant_left')).toMatchObject({
      payload: { participantId: removed.participantId, reason: 'removed' },
    });
    expect(await backend.listBans({ room, limit: 10 })).toMatchObject({ bans: [{ userId: user }], next: null });
    expect(await removed.client.request('join', { room })).toMatchObject({ error: { code: 'BANNED' } });
    await backend.liftBan({ room, user });
    expect(await removed.client.request('join', { room })).toMatchObject({ ok: true });
    for (const { client } of [witness, removed]) client.close();
    await backend.deleteRoom({ room });
  });

  test('a revoked user loses its sessions, and the others see why', async () => {
    const { name: room } = await backend.createRoom({});
    const user = uniqueName('ada');
    const [witness, revoked] = [await join(room, 'bob'), await join(room, user)];
    expect(await backend.revokeUser({ user })).toMatchObject({ sessions: 1 });
    expect(await revoked.client.closed).toMatchObject({ code: 4403 });
    expect(await witness.client.event('participant_left')).toMatchObject({ payload: { reason: 'revoked' } });
    witness.client.close();
    await backend.deleteRoom({ room });
  });

  test('an error has the code of the server, and what is missing or unknown is refused before it is sent', async () => {
    await expect(backend.getRoom({ room: 'missing' })).rejects.toMatchObject({
      name: 'FlotillaError',
      code: 'ROOM_NOT_FOUND',
    });
    await expect(backend.getRoom({} as never)).rejects.toMatchObject({ code: 'BAD_PAYLOAD' });
    await expect(backend.getRoom({ room: 'a', colour: 'red' } as never)).rejects.toMatchObject({ code: 'BAD_PAYLOAD' });
    const stranger = createBackend({ url: topology.api.url, apiKey: 'wrong' });
    await expect(stranger.listRooms()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});
