import { systemAddress } from '../envelope.ts';
import type { ReplyPayload, RequestPayload, RequestType, SignalEventPayload, SignalEventType } from '../signal.ts';

/** One example exchange: address and payload of a request, and the payload of its reply. */
export interface RequestExample<T extends RequestType> {
  readonly to?: string;
  readonly payload: RequestPayload<T>;
  readonly reply: ReplyPayload<T>;
}

const sessionId = 'ss_7k3m9q2x4v8n1c5d';
/** `ada` is the reader of the document, `bob` another participant. */
const ada = 'pt_7k3m9q2x4v8n1c5d';
const bob = 'pt_2w6r8t0y3h5j7k9m';
const roomId = 'rm_4f8g2h6j0k3m5n7p';
const nodeId = 'nd_a1';
const publicationId = 'pub_9s5t1v7w3x0y2z4a';
const producerId = '0c1f6c0e-6a43-4f0b-9d6b-4b7a5f2f0a11';
const transportId = '6f9c1c57-3a3e-4c39-8f1e-2b7f0a9d1e42';
const to = `room:${roomId}`;
const offset = '1795395600000-0';
const at = 1_795_395_600_000;

const opus = { mimeType: 'audio/opus', clockRate: 48_000, channels: 2 };
const rtpCapabilities = { codecs: [{ kind: 'audio' as const, preferredPayloadType: 100, ...opus }] };
const rtpParameters = {
  mid: '0',
  codecs: [{ payloadType: 100, ...opus }],
  encodings: [{ ssrc: 2_847_110_233 }],
  rtcp: { cname: 'ada' },
};
const dtlsParameters = {
  role: 'client' as const,
  fingerprints: [{ algorithm: 'sha-256' as const, value: Array.from({ length: 32 }, () => 'A7').join(':') }],
};
const iceParameters = { usernameFragment: 'h2v8k1', password: 'q7w3e9r5t1y6u2i8o4p0', iceLite: true };
const transport = {
  id: transportId,
  iceParameters,
  iceCandidates: [
    {
      foundation: 'udpcandidate',
      priority: 1_076_558_079,
      address: '203.0.113.7',
      ip: '203.0.113.7',
      protocol: 'udp' as const,
      port: 40_000,
      type: 'host' as const,
    },
  ],
  dtlsParameters: { ...dtlsParameters, role: 'auto' as const },
};
const publication = {
  id: publicationId,
  participantId: bob,
  kind: 'audio' as const,
  source: 'microphone' as const,
  codec: 'audio/opus',
  muted: false,
  producerId,
};
const subscription = {
  publicationId,
  consumerId: 'b7a4c2e8-52d1-4f6e-9a0d-3c8e1f5b7d90',
  producerId,
  kind: 'audio' as const,
  rtpParameters,
  type: 'simple' as const,
  paused: true,
};
const media = { nodeId, send: transport, recv: { ...transport, id: 'e0f4' }, subscriptions: [subscription] };
const iceServers = [
  {
    urls: ['turn:turn.example.com:443?transport=udp', 'turns:turn.example.com:443?transport=tcp'],
    username: `${at / 1000 + 900}:${sessionId}`,
    credential: 'GZzCEbUoWZfTgPmkGOcQDQXqwEU=',
  },
];
const participant = {
  id: bob,
  userId: 'bob@example.com',
  name: 'Bob',
  joinedAt: at,
  connection: 'connected' as const,
  grants: ['publish' as const, 'subscribe' as const, 'data' as const],
};
const snapshot = {
  room: {
    id: roomId,
    name: 'stand-up',
    createdAt: at,
    maxParticipants: 100,
    spread: false,
    peerToPeer: false,
    acceptBridged: false,
    emptyTimeoutSeconds: 300,
  },
  mediaMode: 'sfu' as const,
  participants: [participant],
  publications: [publication],
  offset,
};
const relayId = 'rl_3b7d9f1h5j8k2m4n';
const topic = { name: 'cursor', mode: 'adaptive' as const, retain: true };
const migrationId = 'mig_1f8k2m4n6p8q0r2s';
const offer = {
  kind: 'offer' as const,
  sdp: 'v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n',
  streams: [{ mid: '0', publicationId, kind: 'audio' as const, source: 'microphone' as const, muted: false }],
};

export const requestExamples: { readonly [T in RequestType]: RequestExample<T> } = {
  join: {
    payload: { room: 'stand-up', name: 'Ada', rtpCapabilities },
    reply: { participantId: ada, snapshot, media, iceServers },
  },
  resume: {
    payload: { offsets: { [to]: offset, 'user:ada@example.com': offset, '*': offset } },
    reply: { missed: [], rooms: [{ roomId, participantId: ada, resumed: true }] },
  },
  list_participants: {
    to,
    payload: { cursor: '64' },
    reply: { participants: [participant], publications: [publication], offset, next: '192' },
  },
  leave: { to, payload: {}, reply: {} },
  open_media: { to, payload: { rtpCapabilities, subscribe: true }, reply: { ...media, iceServers } },
  connect_transport: { to, payload: { transportId, dtlsParameters }, reply: {} },
  restart_ice: { to, payload: { transportId }, reply: { iceParameters } },
  publish: {
    to,
    payload: { kind: 'audio', source: 'microphone', rtpParameters },
    reply: { publication: { ...publication, participantId: ada } },
  },
  unpublish: { to, payload: { publicationId }, reply: {} },
  mute: { to, payload: { publicationId, muted: true }, reply: {} },
  subscribe: {
    to,
    payload: { publicationIds: [publicationId, 'pub_0x1unknown'] },
    reply: {
      subscriptions: [subscription],
      failed: [
        {
          publicationId: 'pub_0x1unknown',
          error: {
            code: 'PUBLICATION_NOT_FOUND',
            message: 'No such publication in the room, or it is not yours.',
          },
        },
      ],
    },
  },
  unsubscribe: { to, payload: { publicationIds: [publicationId] }, reply: {} },
  update_subscriptions: {
    to,
    payload: { publicationIds: [publicationId], paused: false, layers: { spatial: 1, temporal: 2 }, priority: 100 },
    reply: {},
  },
  message: { to, payload: { data: { kind: 'chat', text: 'Hello' } }, reply: { seq: offset } },
  negotiate: { to, payload: { ...offer, peer: bob }, reply: { state: 'have-local-offer' } },
  'metadata.connect': {
    to,
    payload: { dtlsParameters },
    reply: {
      relayId,
      transport,
      sctp: { port: 5000, maxMessageSize: 16_384 },
      limits: { framesPerSecond: 1000, bytesPerSecond: 8_388_608 },
    },
  },
  'metadata.disconnect': { to, payload: { relayId }, reply: {} },
  'metadata.publish': {
    to,
    payload: { relayId, topic: 'cursor', mode: 'adaptive', retain: true },
    reply: { topic },
  },
  'metadata.unpublish': { to, payload: { relayId, topic: 'cursor' }, reply: {} },
  'metadata.subscribe': { to, payload: { relayId, topics: '*' }, reply: { topics: [topic] } },
  'metadata.unsubscribe': { to, payload: { relayId, topics: ['cursor'] }, reply: {} },
  'metadata.report': { to, payload: { relayId, rttMs: 320, loss: 0.2 }, reply: {} },
  refresh_token: {
    payload: { token: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl' },
    reply: { expiresAt: at + 900_000, iceServers },
  },
  migrated: { to, payload: { migrationId }, reply: {} },
  migration_report: { to, payload: { migrationId, ms: 412, gapMs: 83 }, reply: {} },
  media_report: { to, payload: { measure: 'first_frame', ms: 287 }, reply: {} },
  drill: { payload: { kind: 'kill_worker', node: nodeId }, reply: { worker: 0 } },
  migration_failed: { to, payload: { migrationId, reason: 'no frame was decoded within 8 s' }, reply: {} },
  watch_topology: { payload: {}, reply: {} },
  unwatch_topology: { payload: {}, reply: {} },
  ping: { payload: {}, reply: {} },
};

/** When an event is sent, and an example of its sender, address and payload. */
export interface EventExample<T extends SignalEventType> {
  readonly summary: string;
  readonly from: string;
  readonly to: string;
  readonly payload: SignalEventPayload<T>;
}

const user = 'user:ada@example.com';
const eventFrom =
  (address: string) =>
  <P>(summary: string, payload: P): { summary: string; from: string; to: string; payload: P } => ({
    summary,
    from: systemAddress,
    to: address,
    payload,
  });
const bySystem = eventFrom(to);
const toConnection = eventFrom(user);

export const eventExamples: { readonly [T in SignalEventType]: EventExample<T> } = {
  welcome: toConnection('The first message on every connection.', {
    sessionId,
    resumed: false,
    resumeToken: 'h8J2kQ0vT5mZ9xR3cN7bW1yL4dF6gS2a',
    resumeWindowSeconds: 30,
    heartbeatSeconds: 10,
    expiresAt: at + 900_000,
    offsets: { [user]: '0-0', '*': offset },
    rtpCapabilities,
  }),
  token_expiring: toConnection('The token expires soon: send `refresh_token`.', { expiresAt: at + 60_000 }),
  move: toConnection(
    'This gateway is about to stop: connect again with the resume token; another gateway admits the session.',
    {
      reason: 'this gateway is about to stop',
    },
  ),
  topology_update: toConnection('Changes in the fleet, for sessions that sent `watch_topology`.', {
    at,
    reset: true,
    changed: [{ kind: 'gateway' as const, id: 'gw_1', alive: true, sessions: 2 }],
    removed: [],
    truncated: false,
  }),
  participant_joined: bySystem('A participant joined the room. Also sent to that participant.', { participant }),
  participant_left: bySystem('A participant left the room; `reason` says why. Its publications end.', {
    participantId: bob,
    reason: 'left' as const,
    publicationIds: [publicationId],
  }),
  participant_connection: bySystem("A participant's connection dropped and may resume, or has resumed.", {
    participantId: bob,
    connection: 'reconnecting' as const,
  }),
  grants_changed: bySystem(
    "A participant's grants were changed by a new token or by the operator. What they do not cover is closed at once.",
    { participantId: bob, grants: ['subscribe' as const] },
  ),
  publication_added: bySystem('A participant published media.', { publication }),
  publication_updated: bySystem(
    'A publication was muted or unmuted, or its producer was replaced: then subscribe again.',
    { publication: { ...publication, muted: true } },
  ),
  publication_removed: bySystem('A publication ended.', { publicationId, participantId: bob }),
  speakers: bySystem('Current speakers by SFU node. Sent when they change.', {
    nodeId,
    speakers: [{ participantId: bob, level: -31 }],
  }),
  active_speaker: bySystem('The dominant speaker changed.', { participantId: bob }),
  message: {
    summary: 'An application message to a room, to a user or to every session, as `to` says.',
    from: bob,
    to,
    payload: { data: { kind: 'chat', text: 'Hello' } },
  },
  media_lost: bySystem(
    'These participants lost their transports with a worker or node. A participant that is listed sends `open_media`.',
    { participantIds: [ada], reason: 'worker_died' as const, nodeId },
  ),
  media_mode: bySystem('The media mode of the room changed. `sfu`: send `open_media`.', {
    mediaMode: 'sfu' as const,
  }),
  negotiation: {
    summary: 'A part of a peer-to-peer negotiation, from the participant in `from`.',
    from: bob,
    to,
    payload: offer,
  },
  migrate: bySystem(
    'This session is to move to another SFU node: connect the given transports beside the old ones, then send `migrated`. Sent to that session only.',
    { migrationId, media, deadline: at + 10_000, reason: 'drain' as const },
  ),
  migration_rolled_back: bySystem(
    'The migration was rolled back: close the new side and stay on the old one. Sent to that session only.',
    { migrationId },
  ),
  participant_moved: bySystem('A participant was assigned to another SFU node. Its publications keep their ids.', {
    participantId: bob,
    nodeId,
    migrationId,
  }),
  subscriptions_ended: bySystem(
    'A migration was committed, and these subscriptions of the previous SFU node end with it: they were made without its `migrationId` after it began. Sent to that session only.',
    { nodeId, publicationIds: [publicationId] },
  ),
  subscribed_layers: bySystem(
    'The layers of an own video that subscriptions in the fleet use changed: the others need not be sent. Repeated every 60 s while not all are used. Sent to that session only; a client may ignore it and send all.',
    { publicationId, producerId: publication.producerId, maxSpatialLayer: 0 },
  ),
  subscriptions_limited: bySystem(
    'Which subscriptions the server has paused because the downlink of this session is too narrow: the least important ones, audio never. They are resumed by the server when there is bandwidth; an empty list says that nothing is paused any more. At most once a second. Sent to that session only.',
    { transportId, publicationIds: [publicationId] },
  ),
  transport_disconnected: bySystem(
    "A transport has been without the client for 2 s: the client's other end closed it, its path was lost, or it was never connected. Sent to that session only.",
    { transportId, reason: 'consent_expired' },
  ),
  metadata_moved: bySystem(
    'A metadata relay is about to stop or was lost: send `metadata.connect`. Sent to sessions with a link to it.',
    { relayId, reason: 'draining' },
  ),
  room_deleted: bySystem('The room was deleted and all participants left it.', {}),
};

/** `routedAt` of every example event, and `seq` of the numbered ones. */
export const exampleMoment = { routedAt: at + 2, seq: offset };
