import { FlotillaError, read, type Reply, roomAddress, signalRequests } from '@flotilla/contracts';
import { LightPeer } from '@flotilla/light-peer';
import { RawClient, type RestApi } from '@flotilla/testkit';
import type { Recorder } from './recorder.ts';

export interface UserOptions {
  readonly api: RestApi;
  readonly gatewayUrl: string;
  readonly room: string;
  /** Publishes audio and receives that of others, as a light peer. */
  readonly withMedia: boolean;
  readonly recorder: Recorder;
  /** A monotonic clock, in ms. */
  readonly now: () => number;
}

/** A user of the load that is in a room. */
export interface User {
  /** Sends a message to the room. Failures are recorded. @param at when it was to be sent, in ms. */
  say(at: number): void;
  leave(): Promise<void>;
}

/** Payload of a message of the load: when it was to be sent, in ms. */
interface Said {
  readonly load: number;
}
const isSaid = (data: unknown): data is Said => typeof (data as Partial<Said> | null)?.load === 'number';

/** Gets a token, connects and joins. Failures are recorded before they are thrown. */
export async function enter(options: UserOptions): Promise<User> {
  const { api, room, recorder, withMedia } = options;
  const token = await recorder.time('token', () => api.issueToken(room));
  return withMedia ? enterWithMedia(options, token) : enterPlainly(options, token);
}

async function enterWithMedia({ gatewayUrl, room, recorder, now }: UserOptions, token: string): Promise<User> {
  const peer = await recorder.time('media', () => LightPeer.join({ url: gatewayUrl, token, room, publish: ['audio'] }));
  peer.onRoomEvent = ({ type, payload }) => {
    const { data } = payload as { data?: unknown };
    if (type === 'message' && isSaid(data)) recorder.add('dispatch', now() - data.load);
  };
  return {
    say: (at) => quietly(recorder.time('reply', () => peer.sendMessage({ load: at } satisfies Said), at)),
    // Closing the connection ends the session of a light peer. It has no reply that could be timed.
    leave: async () => peer.close(),
  };
}

async function enterPlainly({ gatewayUrl, room, recorder, now }: UserOptions, token: string): Promise<User> {
  const client = await recorder.time('connect', async () => {
    const connected = await RawClient.connect(gatewayUrl, { token });
    await connected.welcome();
    return connected;
  });
  try {
    const joined = await recorder.time('join', () => answered(client, 'join', { room }));
    const address = roomAddress(read(signalRequests.join.reply, joined).snapshot.room.id);
    client.onEvent = ({ type, payload }) => {
      client.events.length = 0;
      const { data } = payload as { data?: unknown };
      if (type === 'message' && isSaid(data)) recorder.add('dispatch', now() - data.load);
    };
    return {
      say: (at) =>
        quietly(
          recorder.time('reply', () => answered(client, 'message', { data: { load: at } satisfies Said }, address), at),
        ),
      leave: async () => {
        await recorder.time('leave', () => answered(client, 'leave', {}, address));
        client.close();
      },
    };
  } catch (error) {
    client.close();
    throw error;
  }
}

/** The payload of the reply. Throws the error of a refusal. */
async function answered(client: RawClient, type: string, payload: unknown, to?: string): Promise<unknown> {
  const reply: Reply = await client.request(type, payload, to);
  // The client keeps all replies.
  client.replies.splice(client.replies.indexOf(reply), 1);
  if (!reply.ok) throw new FlotillaError(reply.error!.code, reply.error!.message);
  return reply.payload;
}

/** What failed is recorded already. */
const quietly = (work: Promise<unknown>): void => void work.catch(() => undefined);
