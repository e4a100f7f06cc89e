import type { CloseCodeName } from '@flotilla/contracts';

/**
 * `handshaking`: connected, no request received. `active`: in use. `zombie`: two pings unanswered; frames are still sent, and
 * one pong makes it active. `closed`: the connection has ended; the session may resume over another one.
 */
export type LifecycleState = 'handshaking' | 'active' | 'zombie' | 'closed';

/** What happens to a connection. */
export type LifecycleEvent =
  /** A well-formed request was received. */
  | 'request'
  /** A pong or any message was received. */
  | 'activity'
  /** A ping is due; at most one of the last two is unanswered. */
  | 'ping_due'
  /** A ping is due; two are unanswered. */
  | 'pong_missed'
  /** A ping is due; three are unanswered. */
  | 'heartbeat_timeout'
  /** No request was received in time. */
  | 'handshake_timeout'
  | 'token_expired'
  /** Too many bytes are unsent. */
  | 'backlog_exceeded'
  /** The client keeps sending above its rate. */
  | 'flood'
  /** Another connection resumed the session. */
  | 'replaced'
  /** Its client resumed the session over another connection too, before it sent `resume` over this one. */
  | 'overtaken'
  /** An operator ended the session. */
  | 'revoked'
  /** This gateway stops. */
  | 'stopping'
  /** The client closed the connection with code 1000 or 1001. */
  | 'closed_by_client'
  /** The connection broke. */
  | 'disconnected';

/** What a transition does. */
export type LifecycleEffect =
  | 'ping'
  /** Remove the session from the table and from the streams of its rooms. */
  | 'release'
  /** Close the WebSocket with the event's code. */
  | 'close'
  /** Keep the session for the resume window. */
  | 'detach'
  /** End the session: leave its rooms, delete its record. */
  | 'end';

export interface Transition {
  readonly to: LifecycleState;
  readonly effects: readonly LifecycleEffect[];
}

const closed = (...effects: LifecycleEffect[]): Transition => ({ to: 'closed', effects: ['release', ...effects] });
const stay = (to: LifecycleState, ...effects: LifecycleEffect[]): Transition => ({ to, effects });

/** Events that close the connection from any state. */
const endings = {
  heartbeat_timeout: closed('close', 'detach'),
  handshake_timeout: closed('close', 'detach'),
  token_expired: closed('close', 'end'),
  backlog_exceeded: closed('close', 'detach'),
  flood: closed('close', 'end'),
  replaced: closed('close'),
  revoked: closed('close'),
  overtaken: closed('close'),
  stopping: closed('close', 'detach'),
  closed_by_client: closed('end'),
  disconnected: closed('detach'),
} as const satisfies Partial<Record<LifecycleEvent, Transition>>;

/** The transitions of a connection. A closed connection ignores all events. */
export const lifecycleTable: Readonly<Record<Exclude<LifecycleState, 'closed'>, Record<LifecycleEvent, Transition>>> = {
  handshaking: {
    request: stay('active'),
    activity: stay('handshaking'),
    ping_due: stay('handshaking', 'ping'),
    pong_missed: stay('zombie', 'ping'),
    ...endings,
  },
  active: {
    request: stay('active'),
    activity: stay('active'),
    ping_due: stay('active', 'ping'),
    pong_missed: stay('zombie', 'ping'),
    ...endings,
    // A request arrived between the check and the event.
    handshake_timeout: stay('active'),
  },
  zombie: {
    request: stay('active'),
    activity: stay('active'),
    ping_due: stay('zombie', 'ping'),
    pong_missed: stay('zombie', 'ping'),
    ...endings,
  },
};

export function transition(state: LifecycleState, event: LifecycleEvent): Transition {
  return state === 'closed' ? { to: 'closed', effects: [] } : lifecycleTable[state][event];
}

/** Close code and reason of the events with the effect `close`. */
export const closings: Readonly<Partial<Record<LifecycleEvent, { code: CloseCodeName; reason: string }>>> = {
  heartbeat_timeout: { code: 'HEARTBEAT_MISSED', reason: 'three heartbeats missed' },
  handshake_timeout: { code: 'HANDSHAKE_TIMEOUT', reason: 'no request was received in time' },
  token_expired: { code: 'TOKEN_EXPIRED', reason: 'the token expired and was not refreshed' },
  backlog_exceeded: { code: 'SLOW_CONSUMER', reason: 'too many bytes are unsent' },
  flood: { code: 'RATE_LIMITED', reason: 'messages kept arriving above the rate limit' },
  replaced: { code: 'SESSION_REPLACED', reason: 'the session was resumed by another connection' },
  overtaken: { code: 'SERVICE_RESTART', reason: 'another attempt to resume came later, resume again' },
  revoked: { code: 'SESSION_REVOKED', reason: 'an operator ended the session or revoked its token' },
  stopping: { code: 'SERVICE_RESTART', reason: 'this gateway restarts, resume elsewhere' },
};
