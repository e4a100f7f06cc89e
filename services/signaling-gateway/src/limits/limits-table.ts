import {
  closeCodes,
  maxFirstSubscriptions,
  maxFrameBytes,
  maxNesting,
  maxPublicationsPerRequest,
  maxRequestsInFlight,
  maxRetainedRoomBytes,
  maxRetainedUserBytes,
  maxRetainedValues,
  maxRetainedValuesPerUser,
  maxSdpLength,
  maxTopicsPerRoom,
  maxTopicsPerSession,
} from '@flotilla/contracts';
import { maxStreamBytes } from '@flotilla/bus';
import {
  firstPageLimits,
  keptMessagesPerUser,
  maxInboxBytes,
  maxPublications,
  maxSessionsPerUser,
  messagesKeptSeconds,
  nextPageLimits,
} from '@flotilla/store';
import { ownEventBurst, ownEventsPerSecond } from './room-events.ts';
import { maxBacklogBytes, probeBacklogBytes } from '../delivery/backlog.ts';

/** A limit of the gateway, the answer when it is reached, and the metric that counts it. docs/limits.md is generated from it. */
export interface Limit {
  readonly of: string;
  /** Name of its setting, or its constant value. */
  readonly value: string;
  readonly answer: string;
  readonly metric: string;
}

const rejected = (what: 'connection' | 'request', reason: string): string =>
  `signaling_rejected_total{what="${what}",reason="${reason}"}`;
const ended = (event: string): string => `signaling_connections_ended_total{event="${event}"}`;

export const limitsTable: readonly Limit[] = [
  {
    of: 'Connections of one gateway',
    value: 'FLOTILLA_MAX_CONNECTIONS',
    answer: 'HTTP 503 `OVERLOADED` with `Retry-After`',
    metric: rejected('connection', 'OVERLOADED'),
  },
  {
    of: 'Connections from one address',
    value: 'FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS',
    answer: 'HTTP 429 `RATE_LIMITED` with `Retry-After`',
    metric: rejected('connection', 'RATE_LIMITED'),
  },
  {
    of: 'New connections from one address, per second (bursts of ten times as many)',
    value: 'FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS',
    answer: 'HTTP 429 `RATE_LIMITED` with `Retry-After`',
    metric: rejected('connection', 'RATE_LIMITED'),
  },
  {
    of: 'Sockets from one address with or without a session, and new ones per second: twice as many as connections',
    value: 'FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS',
    answer: 'the connection is closed without an answer, before TLS',
    metric: 'http_connections_refused_total{reason="limited"}',
  },
  {
    of: 'Plain HTTP requests from one address, per second (bursts of ten times as many)',
    value: 'FLOTILLA_HTTP_REQUESTS_PER_SECOND_PER_ADDRESS',
    answer: 'HTTP 429 `RATE_LIMITED` with `Retry-After`',
    metric: 'http_requests_refused_total{reason="RATE_LIMITED"}',
  },
  {
    of: 'Time to the header fields of an HTTP request, and to all of it',
    value: '10 s; 30 s',
    answer: 'HTTP 408, and the connection is closed',
    metric: 'none',
  },
  {
    of: 'Time to the first request',
    value: '30 s',
    answer: `close ${closeCodes.HANDSHAKE_TIMEOUT}`,
    metric: ended('handshake_timeout'),
  },
  {
    of: 'Messages of one session, per second (bursts of three times as many); each request counts by its cost, see below',
    value: 'FLOTILLA_MESSAGES_PER_SECOND',
    answer: `\`RATE_LIMITED\`; after 500 refusals with this code at once, for whichever limit, or as many a second as messages are allowed, close ${closeCodes.RATE_LIMITED}. A frame that is larger than a message may be and refused unread counts as several`,
    metric: `${rejected('request', 'RATE_LIMITED')}, ${ended('flood')}`,
  },
  {
    of: 'Messages of all sessions of one address, by their cost, per second (bursts of three times as many). When less is left than the costliest request takes, frames are refused unread, and cost their session nothing',
    value: 'FLOTILLA_MESSAGES_PER_SECOND_PER_ADDRESS',
    answer: '`RATE_LIMITED`',
    metric: rejected('request', 'RATE_LIMITED'),
  },
  {
    of: 'Requests of one session that await their answer, at its gateway and at its SFU node',
    value: String(maxRequestsInFlight),
    answer: '`RATE_LIMITED`',
    metric: rejected('request', 'RATE_LIMITED'),
  },
  {
    of: 'A message to a room, a user or everybody, with its envelope, and its data with all numbers written in full (`1e20` has 21 bytes)',
    value: 'FLOTILLA_MAX_MESSAGE_BYTES',
    answer: '`MESSAGE_TOO_BIG`',
    metric: 'signaling_messages_total{type="message",outcome="MESSAGE_TOO_BIG"}',
  },
  {
    of: 'Bytes of messages into one room from one gateway, with their envelopes, per second (bursts of three times as many, of which members who send more than 1/64 leave a quarter to the others); in large rooms each counts more, see below',
    value: 'FLOTILLA_ROOM_BYTES_PER_SECOND',
    answer: '`RATE_LIMITED`',
    metric: rejected('request', 'RATE_LIMITED'),
  },
  {
    of: 'Bytes of messages to one user from one gateway, with their envelopes, and from one user to users, per second (bursts of three times as many, shared among senders as those of a room). Messages to everybody are limited as those to one user, and count as those into a room of all sessions of the fleet',
    value: 'FLOTILLA_USER_BYTES_PER_SECOND',
    answer: '`RATE_LIMITED`',
    metric: rejected('request', 'RATE_LIMITED'),
  },
  {
    of: 'Events that one session causes in its rooms by `join`, `publish` and `mute`, per second; above it, the sessions of a gateway share a rate of each room, see below',
    value: `${ownEventsPerSecond} (bursts of ${ownEventBurst})`,
    answer: '`RATE_LIMITED`',
    metric: rejected('request', 'RATE_LIMITED'),
  },
  {
    of: 'A frame',
    value: `${maxFrameBytes / 1024} KiB`,
    answer: `close ${closeCodes.MESSAGE_TOO_BIG}`,
    metric: ended('disconnected'),
  },
  {
    of: 'Nesting of a message',
    value: `${maxNesting} levels`,
    answer: '`BAD_MESSAGE`',
    metric: 'signaling_messages_total{type="unknown",outcome="BAD_MESSAGE"}',
  },
  {
    of: 'A session description',
    value: `${maxSdpLength / 1024} Ki characters`,
    answer: '`SDP_TOO_BIG`',
    metric: 'signaling_messages_total{type="negotiate",outcome="SDP_TOO_BIG"}',
  },
  {
    of: 'Rooms of one session',
    value: 'FLOTILLA_MAX_ROOMS_PER_SESSION',
    answer: '`TOO_MANY_ROOMS`',
    metric: rejected('request', 'TOO_MANY_ROOMS'),
  },
  {
    of: 'Sessions of one user that are connected or may resume',
    value: `${maxSessionsPerUser}`,
    answer: 'HTTP 429 `TOO_MANY_SESSIONS` with `Retry-After`; the token is not used up',
    metric: rejected('connection', 'TOO_MANY_SESSIONS'),
  },
  {
    of: 'Publications of one participant',
    value: `${maxPublications}`,
    answer: '`RATE_LIMITED`',
    metric: 'signaling_messages_total{type="publish",outcome="RATE_LIMITED"}',
  },
  {
    of: 'Bit rate of all that a participant publishes',
    value:
      'the lowest of those of its SFU node, its room and its token, see [authorization.md](authorization.md#bit-rates)',
    answer:
      'RTCP carries the limit to the sender; of one that does not obey, a publication ends with `bitrate_exceeded`',
    metric: 'none',
  },
  {
    of: 'Publications that one request names, each once',
    value: `${maxPublicationsPerRequest}`,
    answer: '`BAD_PAYLOAD`',
    metric: 'signaling_messages_total{type="subscribe",outcome="BAD_PAYLOAD"}',
  },
  {
    of: 'Participants in the reply to `join`, and in a snapshot of `resume`; in a page of `list_participants`',
    value: `${firstPageLimits.members}; ${nextPageLimits.members}, and fewer of large ones: the reply stays below 32 KiB`,
    answer: '`next`, the cursor of the next page',
    metric: 'none',
  },
  {
    of: 'Subscriptions in the replies to `join` and `open_media`',
    value: `${maxFirstSubscriptions}`,
    answer: 'the client requests the others with `subscribe`',
    metric: 'none',
  },
  {
    of: 'Subscriptions of one participant',
    value: '1,024',
    answer: '`RATE_LIMITED` for each publication, in `failed`',
    metric: 'none',
  },
  {
    of: 'Relays of one session, with the coturn of the chart',
    value: '48',
    answer: 'STUN error 486, from coturn',
    metric: 'none',
  },
  {
    of: 'Frames of metadata of one client, per second (bursts of twice as many), and of one room, see [protocol-metadata.md](protocol-metadata.md#refused-frames)',
    value: 'settings of the relay',
    answer: 'more are dropped',
    metric: 'metadata_frames_dropped_total{reason="rate"}, metadata_frames_dropped_total{reason="room_rate"}',
  },
  {
    of: 'Topics of one room; topics that one session publishes, or subscribes to by name',
    value: `${maxTopicsPerRoom}; ${maxTopicsPerSession}`,
    answer: '`TOO_MANY_TOPICS`',
    metric: 'signaling_messages_total{type="metadata.publish",outcome="TOO_MANY_TOPICS"}',
  },
  {
    of: 'Retained values of one user in a room, and of one room',
    value: `${maxRetainedValuesPerUser} of ${maxRetainedUserBytes / 1024 ** 2} MiB together; ${maxRetainedValues} of ${maxRetainedRoomBytes / 1024 ** 2} MiB together`,
    answer:
      'values of publishers that have left are deleted, and for a user those of its reconnecting participants; without any, a new message is not retained, see [protocol-metadata.md](protocol-metadata.md#retained-values)',
    metric:
      'metadata_retained_evictions_total, metadata_retained_refused_total{reason="user"}, metadata_retained_refused_total{reason="room"}',
  },
  {
    of: 'Unsent bytes of one client',
    value: `${maxBacklogBytes / 1024} KiB`,
    answer: `above ${probeBacklogBytes / 1024} KiB an extra ping, which detects a dead connection sooner; at the limit, close ${closeCodes.SLOW_CONSUMER}`,
    metric: `signaling_probes_total, ${ended('backlog_exceeded')}, signaling_backlog_bytes`,
  },
  {
    of: 'Messages and events that are held for one client until it has caught up with the older ones',
    value: `${maxBacklogBytes / 1024} KiB, and 4,096 of one room, of its user, or of everybody`,
    answer: `close ${closeCodes.SERVICE_RESTART}; the session may resume`,
    metric: ended('disconnected'),
  },
  {
    of: 'Pings without an answer, in a row',
    value: '3, one per FLOTILLA_HEARTBEAT_SECONDS',
    answer: 'the connection is closed; the session may resume',
    metric: ended('heartbeat_timeout'),
  },
  {
    of: 'Event-loop delay (99th percentile of a second, two seconds in a row), or 85 % of the heap',
    value: 'FLOTILLA_OVERLOAD_DELAY_MS',
    answer: 'level 1. New sessions and joins: `OVERLOADED`. Calls in progress continue',
    metric: 'signaling_overload_level',
  },
  {
    of: 'The same delay, or 95 % of the heap',
    value: 'four times FLOTILLA_OVERLOAD_DELAY_MS',
    answer: 'level 2. Also resumes, and messages to users and to everybody: `OVERLOADED`. Calls in progress continue',
    metric: 'signaling_overload_level',
  },
  {
    of: 'Messages kept for a user who may resume',
    value: `the newest ${keptMessagesPerUser}, and fewer when these are more than ${maxInboxBytes / 1024} KiB together; for ${messagesKeptSeconds / 60} minutes`,
    answer: 'older ones are lost; the reply to `resume` lists the address in `missed`',
    metric: 'none',
  },
  {
    of: 'Events kept of a room, and messages kept to everybody',
    value: `the newest 4,096, and fewer of large ones: an entry leaves as many of its size as fit ${maxStreamBytes / 1024 / 1024} MiB`,
    answer: 'a resume from an older offset: `resumed: false` with a snapshot; for `*`, `missed`',
    metric: 'none',
  },
];
