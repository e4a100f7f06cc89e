import type { CloseCodeName } from '@flotilla/contracts';

/**
 * `handshaking`: connected, nothing asked for yet. `active`. `zombie`: two heartbeats without a sign of life; it is still sent
 * to, and one pong brings it back. `closed`: this connection is over; the session may go on elsewhere.
 */
export type LifecycleState = 'handshaking' | 'active' | 'zombie' | 'closed';

/** What happens to a session's connection. */
export type LifecycleEvent =
  /** A request that could be read. */
  | 'request'
  /** A pong, or anything else the client sent. */
  | 'life'
  /** A heartbeat is due, and the client answered one of the last two. */
  | 'beat'
  /** A heartbeat is due; two went unanswered. */
  | 'silent'
  /** A heartbeat is due; three went unanswered. */
  | 'lost'
  /** It is open for long and asked for nothing. */
  | 'handshake_late'
  | 'token_expired'
  /** It does not read what is sent to it. */
  | 'slow'
  /** It goes on sending though it is refused. */
  | 'flood'
  /** Another connection resumed the session. */
  | 'replaced'
  /** This gateway stops. */
  | 'stopping'
  /** The client closed the connection and meant it. */
  | 'goodbye'
  /** The connection broke. */
  | 'gone';

/** What is to be done. */
export type LifecycleEffect =
  | 'ping'
  /** Give back its place in the table, its feeds and buffers. */
  | 'release'
  /** Close the WebSocket with the event's code; the socket is cut when that is not answered. */
  | 'close'
  /** The session may come back within the resume window. */
  | 'detach'
  /** The session ends: it leaves its rooms. */
  | 'end';

export interface Transition {
  readonly to: LifecycleState;
  readonly effects: readonly LifecycleEffect[];
}

const closed = (...effects: LifecycleEffect[]): Transition => ({ to: 'closed', effects: ['release', ...effects] });
const stay = (to: LifecycleState, ...effects: LifecycleEffect[]): Transition => ({ to, effects });

/** What ends a connection ends it in any state. */
const endings = {
  lost: closed('close', 'detach'),
  handshake_late: closed('close', 'detach'),
  token_expired: closed('close', 'end'),
  slow: closed('close', 'detach'),
  flood: closed('close', 'end'),
  replaced: closed('close'),
  stopping: closed('close', 'detach'),
  goodbye: closed('end'),
  gone: closed('detach'),
} as const satisfies Partial<Record<LifecycleEvent, Transition>>;

/** The lifecycle of a connection: from each state, what each event leads to. Once closed, nothing does anything. */
export const lifecycleTable: Readonly<Record<Exclude<LifecycleState, 'closed'>, Record<LifecycleEvent, Transition>>> = {
  handshaking: {
    request: stay('active'),
    life: stay('handshaking'),
    beat: stay('handshaking', 'ping'),
    silent: stay('zombie', 'ping'),
    ...endings,
  },
  active: {
    request: stay('active'),
    life: stay('active'),
    beat: stay('active', 'ping'),
    silent: stay('zombie', 'ping'),
    ...endings,
    // Something was asked for just in time.
    handshake_late: stay('active'),
  },
  zombie: {
    request: stay('active'),
    life: stay('active'),
    beat: stay('zombie', 'ping'),
    silent: stay('zombie', 'ping'),
    ...endings,
  },
};

export function transition(state: LifecycleState, event: LifecycleEvent): Transition {
  return state === 'closed' ? { to: 'closed', effects: [] } : lifecycleTable[state][event];
}

/** How the gateway says why it closes. */
export const closings: Readonly<Partial<Record<LifecycleEvent, { code: CloseCodeName; reason: string }>>> = {
  lost: { code: 'HEARTBEAT_MISSED', reason: 'three heartbeats missed' },
  handshake_late: { code: 'HANDSHAKE_TIMEOUT', reason: 'nothing was asked for' },
  token_expired: { code: 'TOKEN_EXPIRED', reason: 'the token expired and was not refreshed' },
  slow: { code: 'SLOW_CONSUMER', reason: 'too much waits to be sent' },
  flood: { code: 'RATE_LIMITED', reason: 'too many messages, though they were refused' },
  replaced: { code: 'SESSION_REPLACED', reason: 'the session was resumed by another connection' },
  stopping: { code: 'SERVICE_RESTART', reason: 'this gateway restarts, resume elsewhere' },
};
