import type { Reply } from '@flotilla/contracts';
import { notYet, RawClient, waitFor } from '@flotilla/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import type { FleetTopology } from '../src/index.ts';
import { useFleet } from './use-topology.ts';

let fleet: FleetTopology;
let ssrc = 0;
const clients: Client[] = [];

useFleet((it) => (fleet = it));
afterEach(() => {
  for (const { raw } of clients.splice(0)) raw.close();
});

const newRoom = (): Promise<string> => fleet.api.newRoom('order');

interface Joined {
  readonly participantId: string;
  readonly snapshot: { readonly publications: readonly { readonly id: string; readonly muted: boolean }[] };
}

/** A client without the SDK, with open media in a room. */
class Client {
  private constructor(
    readonly room: string,
    readonly raw: RawClient,
    readonly joined: Joined,
  ) {}

  static async join(room: string, gateway = 0): Promise<Client> {
    const raw = await RawClient.connect(fleet.signalUrls[gateway]!, { token: await fleet.api.issueToken(room) });
    const { rtpCapabilities } = (await raw.event('welcome')).payload;
    const reply = await raw.request('join', { room, rtpCapabilities });
    if (!reply.ok) throw new Error(`not joined: ${JSON.stringify(reply)}`);
    const client = new Client(room, raw, reply.payload as unknown as Joined);
    clients.push(client);
    return client;
  }

  request(type: string, payload: object = {}): Promise<Reply> {
    return this.raw.request(type, payload, `room:${this.room}`);
  }

  publish(): Promise<Reply> {
    const codecs = [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }];
    const rtpParameters = { mid: String(++ssrc), codecs, encodings: [{ ssrc }] };
    return this.request('publish', { kind: 'audio', source: 'microphone', muted: false, rtpParameters });
  }

  /** Begins a migration of this client. Resolves to its id when the client is notified. */
  async migrate(): Promise<string> {
    const { participantId } = this.joined;
    const { status } = await fleet.api.request(
      'POST',
      `/v1/rooms/${this.room}/participants/${participantId}/migrate`,
      {},
    );
    expect(status).toBe(202);
    return (await this.raw.event('migrate')).payload['migrationId'] as string;
  }
}

/** Publications that a new participant finds. */
const publicationsIn = async (room: string) => (await Client.join(room, 1)).joined.snapshot.publications;
const publicationId = (reply: Reply): string => {
  if (!reply.ok) throw new Error(`not published: ${JSON.stringify(reply)}`);
  return (reply.payload as { publication: { id: string } }).publication.id;
};

describe('parallel requests to the SFU through the gateway', () => {
  test('30 publications at once: 16 succeed and 14 are refused with RATE_LIMITED', async () => {
    const room = await newRoom();
    const client = await Client.join(room);
    const replies = await Promise.all(Array.from({ length: 30 }, () => client.publish()));
    expect(replies.filter(({ ok }) => ok)).toHaveLength(16);
    const codes = replies.flatMap((reply) => (reply.ok ? [] : [reply.error?.code]));
    expect(codes).toEqual(Array.from({ length: 14 }, () => 'RATE_LIMITED'));
    expect(await publicationsIn(room)).toHaveLength(16);
  });

  test('the last of 12 mute requests decides, 10 times in a row', async () => {
    const room = await newRoom();
    const client = await Client.join(room);
    const id = publicationId(await client.publish());
    for (let round = 0; round < 10; round++) {
      const last = round % 2 === 0;
      const states = Array.from({ length: 12 }, (_, index) => (index % 2 === 0 ? !last : last));
      const mutes = states.map((muted) => client.request('mute', { publicationId: id, muted }));
      expect((await Promise.all(mutes)).filter(({ ok }) => !ok)).toEqual([]);
      expect(await publicationsIn(room)).toMatchObject([{ id, muted: last }]);
    }
  });
});

describe('a client that violates the order of a migration', () => {
  test('its publications end when it sends "migrated" before it has republished', async () => {
    const room = await newRoom();
    const [migrated, other] = [await Client.join(room), await Client.join(room, 1)];
    const ids = [publicationId(await migrated.publish()), publicationId(await migrated.publish())];
    expect(await other.request('subscribe', { publicationIds: ids })).toMatchObject({ payload: { failed: [] } });
    const migrationId = await migrated.migrate();
    for (let times = 0; times < 2; times++)
      expect(await migrated.request('migrated', { migrationId })).toMatchObject({ ok: true });
    await waitFor('publication_removed for both', () => {
      const removed = other.raw.events.filter(({ type }) => type === 'publication_removed');
      if (removed.length !== 2) notYet(`${removed.length} arrived`);
    });
    expect(await publicationsIn(room)).toEqual([]);
    const failed = ids.map((id) => ({ publicationId: id, error: { code: 'PUBLICATION_NOT_FOUND' } }));
    expect(await other.request('subscribe', { publicationIds: ids })).toMatchObject({ payload: { failed } });
    expect(await migrated.publish()).toMatchObject({ ok: true });
  });

  test('it receives subscriptions_ended for what it subscribed to on the previous node', async () => {
    const room = await newRoom();
    const [migrated, other] = [await Client.join(room), await Client.join(room, 1)];
    const migrationId = await migrated.migrate();
    const id = publicationId(await other.publish());
    const subscribe = () => migrated.request('subscribe', { publicationIds: [id] });
    expect(await subscribe()).toMatchObject({ payload: { failed: [], subscriptions: [{ publicationId: id }] } });
    await migrated.request('migrated', { migrationId });
    expect((await migrated.raw.event('subscriptions_ended')).payload).toMatchObject({ publicationIds: [id] });
    expect(await subscribe()).toMatchObject({ payload: { failed: [], subscriptions: [{ publicationId: id }] } });
  });
});
