import { broadcastStream, type EventLog } from '@flotilla/bus';
import { memoryBackplane } from '@flotilla/backplane';
import type { ReplyPayload } from '@flotilla/contracts';
import { cameraOf, joinAs, newcomer, nodeReport, RawClient, roomRecord } from '@flotilla/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { log, newToken, type RunningGateway, startGateway } from './gateway-harness.ts';

const backplane = memoryBackplane(log);
const { store } = backplane;
const members = 300;
let gateway: RunningGateway;
const clients: RawClient[] = [];

async function connect(userId: string): Promise<RawClient> {
  const client = await RawClient.connect(gateway.url, { token: await newToken(userId, '*') });
  clients.push(client);
  return client;
}

beforeAll(async () => {
  await store.nodes.report(nodeReport('nd_a', { capacity: 1000 }));
  for (const name of ['large', 'small']) await store.rooms.create(roomRecord(name, { maxParticipants: 1000 }));
  for (let index = 0; index < members; index++) {
    const request = { ...newcomer('rm_large', `ss_${index}`), userId: `us_${index}` };
    const { member } = await joinAs(store, request);
    if (index % 10 === 0) await store.rooms.putPublication('rm_large', cameraOf(member, { producerId: `${index}` }));
  }
  gateway = await startGateway({ settings: { FLOTILLA_ALLOW_PLAIN: 'true' }, backplane });
});
// A join needs a node that reported lately.
beforeEach(() => store.nodes.report(nodeReport('nd_a', { capacity: 1000 })));
afterAll(async () => {
  for (const client of clients) client.close();
  await gateway.stop();
});

/** The pages after a cursor. */
async function pagesAfter(client: RawClient, room: string, next: string | undefined) {
  const pages: ReplyPayload<'list_participants'>[] = [];
  for (let cursor = next; cursor !== undefined; cursor = pages.at(-1)!.next) {
    const reply = await client.request('list_participants', { cursor }, `room:${room}`);
    expect(Buffer.byteLength(JSON.stringify(reply))).toBeLessThan(32 * 1024);
    pages.push(reply.payload as ReplyPayload<'list_participants'>);
  }
  return pages;
}

describe('the participants of a large room', () => {
  test('are listed in pages after a join whose reply has the first of them', async () => {
    const ada = await connect('ada');
    const reply = await ada.request('join', { room: 'rm_large' });
    expect(Buffer.byteLength(JSON.stringify(reply))).toBeLessThan(32 * 1024);
    const { snapshot, participantId } = reply.payload as ReplyPayload<'join'>;
    expect(snapshot.participants.at(-1)?.id).toBe(participantId);
    expect(snapshot.participants.length).toBeLessThan(members);
    const pages = [snapshot, ...(await pagesAfter(ada, snapshot.room.id, snapshot.next))];
    const ids = new Set(pages.flatMap(({ participants }) => participants.map(({ id }) => id)));
    expect(ids.size).toBe(members + 1);
    expect(pages.flatMap(({ publications }) => publications)).toHaveLength(members / 10);
    // Sessions and nodes of others are not shown.
    expect(JSON.stringify(pages)).not.toMatch(/ss_\d|nd_a/);
  });

  test('are not listed for a session that is not in the room, nor from a cursor that the server did not make', async () => {
    const bob = await connect('bob');
    expect(await bob.request('list_participants', { cursor: '64' }, 'room:rm_large')).toMatchObject({
      error: { code: 'NOT_IN_ROOM' },
    });
    for (const cursor of ['-1', '+inf', '', '(1', '9'.repeat(16)])
      expect(await bob.request('list_participants', { cursor }, 'room:rm_large')).toMatchObject({
        error: { code: 'BAD_PAYLOAD' },
      });
  });

  test('are listed after a resume, too, when events were missed', async () => {
    const cy = await connect('cy');
    await cy.request('join', { room: 'rm_large' });
    const { resumeToken } = await cy.welcome();
    const resumed = await RawClient.resume(gateway.url, resumeToken);
    clients.push(resumed);
    const reply = await resumed.request('resume', { offsets: { 'room:rm_large': '0-0' } });
    expect(Buffer.byteLength(JSON.stringify(reply))).toBeLessThan(32 * 1024);
    const { snapshot } = (reply.payload as ReplyPayload<'resume'>).rooms[0]!;
    expect(snapshot?.participants.at(-1)?.userId).toBe('cy');
    const pages = await pagesAfter(resumed, 'rm_large', snapshot?.next);
    expect(pages.length).toBeGreaterThan(1);
  });
});

test('the reply to a join in a small room has all of it, and no cursor', async () => {
  await joinAs(store, newcomer('rm_small'));
  const dan = await connect('dan');
  const { snapshot } = (await dan.request('join', { room: 'rm_small' })).payload as ReplyPayload<'join'>;
  expect(snapshot.participants).toHaveLength(2);
  expect(snapshot).not.toHaveProperty('next');
});

describe('a resumed session', () => {
  const broadcast = (events: EventLog, data: string) =>
    events.append(broadcastStream, JSON.stringify({ from: 'user:admin', payload: { data }, at: Date.now() }));

  test('is sent the broadcasts since it was opened, and none from before, whatever offset it names', async () => {
    const { events } = backplane;
    await broadcast(events, 'before');
    const eve = await connect('eve');
    const { resumeToken, offsets } = await eve.welcome();
    await broadcast(events, 'since');
    const resumed = await RawClient.resume(gateway.url, resumeToken);
    clients.push(resumed);
    expect(offsets['*']).not.toBe('0-0');
    expect(await resumed.request('resume', { offsets: { '*': '0-0' } })).toMatchObject({ payload: { missed: [] } });
    await broadcast(events, 'now');
    await resumed.event('message', ({ payload }) => payload['data'] === 'now');
    const received = resumed.events.filter(({ to }) => to === '*').map(({ payload }) => payload['data']);
    expect(received).toEqual(['since', 'now']);
  });
});
