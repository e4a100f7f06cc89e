/** Records the messages between a gateway and a client without the SDK, for docs/protocol.md. */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import {
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  resumeSubprotocolPrefix,
  type RtpCapabilities,
  type RtpParameters,
  type SignalEventPayload,
  subprotocol,
} from '@flotilla/contracts';
import { RawClient, RawFrames, type Topology, withToken } from '@flotilla/testkit';
import { Placeholders } from './placeholders.ts';

/** Path of the recording, which `npm run generate` includes in docs/protocol.md. */
export const transcriptPath = fileURLToPath(new URL('../../../docs/protocol-transcript.json', import.meta.url));

/** A recorded message: the head of an HTTP message, or a WebSocket message. */
export interface Line {
  readonly from: 'client' | 'server';
  readonly http?: string;
  readonly message?: unknown;
}

/** A request with its reply and the resulting events. */
export interface Step {
  readonly title: string;
  readonly lines: readonly Line[];
}

const mid = { uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', id: 4 };
/** Opus and VP8 as a browser sends them; SSRC and name are the client's own choice. */
const microphone: RtpParameters = {
  mid: '0',
  codecs: [
    {
      mimeType: 'audio/opus',
      payloadType: 111,
      clockRate: 48_000,
      channels: 2,
      parameters: { minptime: 10, useinbandfec: 1 },
    },
  ],
  headerExtensions: [mid],
  encodings: [{ ssrc: 2_222, dtx: true }],
  rtcp: { cname: 'ada', reducedSize: true },
};
const camera: RtpParameters = {
  mid: '0',
  codecs: [
    {
      mimeType: 'video/VP8',
      payloadType: 96,
      clockRate: 90_000,
      rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
    },
  ],
  headerExtensions: [mid],
  encodings: [{ ssrc: 1_111, maxBitrate: 900_000 }],
  rtcp: { cname: 'bob', reducedSize: true },
};

const dtlsParameters = (): RequestPayload<'connect_transport'>['dtlsParameters'] => ({
  role: 'client',
  fingerprints: [
    {
      algorithm: 'sha-256',
      value: [...randomBytes(32)].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':'),
    },
  ],
});

/** The receive capabilities of a client with Opus and VP8. */
function opusAndVp8({ codecs = [], headerExtensions = [] }: RtpCapabilities): RtpCapabilities {
  return {
    codecs: codecs.filter(({ mimeType }) => /^(audio\/opus|video\/VP8)$/i.test(mimeType)),
    headerExtensions: headerExtensions.filter(({ uri }) => uri.endsWith(':mid')),
  };
}

/** Records the messages of one client. */
class Recorder {
  readonly steps: Step[] = [];
  #seen = 0;

  constructor(public client: RawClient) {}

  /** Sends a request, waits for its reply and for events of these types, and records all of them. */
  async ask<T extends RequestType>(
    title: string,
    type: T,
    payload: RequestPayload<T>,
    { to, events = [] }: { to?: string; events?: readonly string[] } = {},
  ): Promise<ReplyPayload<T>> {
    const reply = await this.client.request(type, payload, to);
    const request = { id: reply.replyTo, type, ...(to !== undefined && { to }), payload };
    await this.record(title, events, [
      { from: 'client', message: request },
      { from: 'server', message: reply },
    ]);
    return reply.payload as ReplyPayload<T>;
  }

  /** Waits for events of these types, in this order, and records them. Other events, such as of active speakers, are ignored. */
  async record(title: string, types: readonly string[], before: readonly Line[] = []): Promise<void> {
    const fresh = [];
    for (const type of types) {
      const event = await this.client.event(type, (each) => this.client.events.indexOf(each) >= this.#seen);
      fresh.push(event);
    }
    this.#seen = Math.max(this.#seen, ...fresh.map((event) => this.client.events.indexOf(event) + 1));
    const lines = [...before, ...fresh.map((message) => ({ from: 'server' as const, message }))];
    this.steps.push({ title, lines });
  }

  /** Continues the session over another connection. */
  continueOn(client: RawClient): void {
    this.client = client;
    this.#seen = 0;
  }
}

/** Records a session that joins, publishes, sends messages, resumes and leaves, with placeholders for random values. */
export async function recordTranscript(topology: Topology): Promise<readonly Step[]> {
  const { api } = topology;
  const [url] = topology.signalUrls as [string];
  const room = 'stand-up';
  await api.createRoom({ name: room });
  const token = (name: string): Promise<string> =>
    api.issueToken(room, { name, userId: `${name.toLowerCase()}@example.com` });

  const bob = await RawClient.connect(url, { token: await token('Bob') });
  const rtpCapabilities = opusAndVp8(welcomeOf(await bob.event('welcome')).rtpCapabilities!);
  const bobJoined = payloadOf<'join'>(await bob.request('join', { room, rtpCapabilities, subscribe: false }));
  const to = `room:${bobJoined.snapshot.room.id}`;
  const { publication } = payloadOf<'publish'>(
    await bob.request(
      'publish',
      { kind: 'video', source: 'camera', rtpParameters: camera } satisfies RequestPayload<'publish'>,
      to,
    ),
  );

  const upgrade = await RawFrames.upgraded(url, withToken(await token('Ada')));
  upgrade.destroy();
  const ada = new Recorder(await RawClient.connect(url, { token: await token('Ada') }));
  await ada.record(
    'Connect',
    ['welcome'],
    [
      { from: 'client', http: upgrade.request },
      { from: 'server', http: upgrade.response },
    ],
  );
  const { resumeToken, offsets } = welcomeOf(await ada.client.event('welcome'));
  const { media, snapshot } = await ada.ask('Join', 'join', { room, name: 'Ada', rtpCapabilities });
  await ada.ask(
    'Connect the receiving transport',
    'connect_transport',
    { transportId: media!.recv.id, dtlsParameters: dtlsParameters() },
    { to },
  );
  await ada.ask(
    'Resume the subscription, now that its receiver exists',
    'update_subscriptions',
    { publicationIds: [publication.id], paused: false },
    { to },
  );
  await ada.ask(
    'Connect the sending transport',
    'connect_transport',
    { transportId: media!.send.id, dtlsParameters: dtlsParameters() },
    { to },
  );
  await ada.ask(
    'Publish',
    'publish',
    { kind: 'audio', source: 'microphone', rtpParameters: microphone },
    { to, events: ['publication_added'] },
  );
  await ada.ask(
    'Send a chat message',
    'message',
    { data: { kind: 'chat', text: 'Good morning' } },
    { to, events: ['message'] },
  );
  await bob.request('mute', { publicationId: publication.id, muted: true }, to);
  await ada.record('Bob mutes his camera', ['publication_updated']);
  await bob.request('message', { data: { kind: 'chat', text: 'Only for you' } }, 'user:ada@example.com');
  await ada.record('Bob sends a message to the user Ada', ['message']);
  await ada.ask('A request is refused', 'mute', { publicationId: publication.id, muted: false }, { to });

  const seen = {
    ...offsets,
    ...Object.fromEntries(ada.client.events.flatMap((event) => (event.seq ? [[event.to, event.seq]] : []))),
  };
  ada.client.socket.terminate();
  await ada.client.closed;
  await bob.request('message', { data: { kind: 'chat', text: 'Are you there?' } }, to);
  const protocols = [subprotocol, resumeSubprotocolPrefix + resumeToken];
  ada.continueOn(await RawClient.connect(url, { protocols }));
  await ada.record('The connection breaks, Bob sends a message, and Ada connects again with her resume token', [
    'welcome',
  ]);
  await ada.ask('Resume after the last events seen', 'resume', { offsets: seen }, { events: ['message'] });
  await ada.ask('Leave', 'leave', {}, { to });
  ada.client.close();
  bob.close();

  const names = new Map([
    [snapshot.room.id, 'rm_standup'],
    ...snapshot.participants.map(({ id, name }): [string, string] => [id, `pt_${name.toLowerCase()}`]),
    ...snapshot.participants.map(({ id, name }): [string, string] => [`ss_${id.slice(3)}`, `ss_${name.toLowerCase()}`]),
    [publication.id, 'pub_bob-cam'],
  ]);
  return new Placeholders(names).replaceIn(ada.steps) as readonly Step[];
}

const welcomeOf = ({ payload }: { payload: unknown }): SignalEventPayload<'welcome'> =>
  payload as SignalEventPayload<'welcome'>;

function payloadOf<T extends RequestType>(reply: { ok: boolean; payload?: unknown }): ReplyPayload<T> {
  if (!reply.ok) throw new Error(`refused: ${JSON.stringify(reply)}`);
  return reply.payload as ReplyPayload<T>;
}

/** The reproducible part of a recording: senders, order, fields and their types. */
export const shapeOf = (steps: readonly Step[]): unknown =>
  steps.map(({ title, lines }) => ({
    title,
    lines: lines.map(({ from, message }) => ({ from, ...(message !== undefined && { message: fieldsOf(message) }) })),
  }));

/** Replaces values by their types, except discriminators. Equal elements of a list count once. */
function fieldsOf(value: unknown, field = ''): unknown {
  if (Array.isArray(value)) {
    const kinds = new Map(value.map((each) => [JSON.stringify(fieldsOf(each)), fieldsOf(each)]));
    return [...kinds].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, kind]) => kind);
  }
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(fields.map(([key, each]) => [key, fieldsOf(each, key)]));
  }
  return ['type', 'from', 'ok', 'code'].includes(field) ? value : typeof value;
}
