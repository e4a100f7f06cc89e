import { z } from 'zod';

/**
 * Every error a client or a backend can be answered with. `status` is what REST says, `retry` whether the same
 * request may succeed later without a change. docs/errors.md is generated from this table.
 */
export const errorCatalogue = {
  BAD_MESSAGE: {
    status: 400,
    retry: false,
    meaning:
      'The message is not JSON, not an envelope, has a field that the envelope does not have (such as `from`), or text with half of a surrogate pair.',
    cure: 'Send `{id, type, to?, payload}`. The server binds `from` itself.',
  },
  UNKNOWN_TYPE: {
    status: 400,
    retry: false,
    meaning: 'No request has this type in protocol flotilla.v1.',
    cure: 'Check the spelling, or the version of the client against the server.',
  },
  BAD_PAYLOAD: {
    status: 400,
    retry: false,
    meaning: 'The payload does not fit the schema of its type; the message names the first wrong field.',
    cure: 'Correct the field.',
  },
  UNAUTHENTICATED: {
    status: 401,
    retry: false,
    meaning: 'No token or API key came with the request.',
    cure: 'Send the token in the `Authorization` header or as the subprotocol entry `flotilla.token.<token>`.',
  },
  TOKEN_INVALID: {
    status: 401,
    retry: false,
    meaning: 'The token is malformed, signed by another key, for another audience, or lacks a claim that is required.',
    cure: 'Issue a new one with POST /v1/rooms/{room}/tokens or POST /v1/tokens.',
  },
  TOKEN_EXPIRED: {
    status: 401,
    retry: false,
    meaning: 'The token is past its `exp`.',
    cure: 'Issue a new one; a token lives 15 minutes at most.',
  },
  TOKEN_REPLAYED: {
    status: 401,
    retry: false,
    meaning: 'The token was used before. Each opens one session.',
    cure: 'Issue a token per connection. To come back to a session, use its resume token.',
  },
  SESSION_EXPIRED: {
    status: 401,
    retry: false,
    meaning: 'The resume token is unknown: its session ended, the resume window passed, or it was used already.',
    cure: 'Connect again with a new token and join.',
  },
  CLOCK_SKEW: {
    status: 401,
    retry: false,
    meaning: "The client's clock is more than 30 s away from the server's.",
    cure: 'Set the clock, or correct by the `Flotilla-Time` header of GET /v1/signal/validate, as the SDK does.',
  },
  FORBIDDEN: {
    status: 403,
    retry: false,
    meaning: 'The token does not grant this.',
    cure: 'Issue a token with the grant that the message names.',
  },
  NOT_FOUND: {
    status: 404,
    retry: false,
    meaning: 'There is nothing at this path.',
    cure: 'The paths are in /v1/openapi.json.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    retry: false,
    meaning: 'This path does not serve that HTTP method.',
    cure: 'Use one of the methods in the `Allow` header of the response.',
  },
  BODY_TOO_LARGE: {
    status: 413,
    retry: false,
    meaning: 'The body of a REST request is larger than 100 KiB.',
    cure: 'Send less in one request.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    retry: false,
    meaning: 'The body of a REST request is not `application/json` in UTF-8.',
    cure: 'Send JSON with the header `Content-Type: application/json`.',
  },
  ROOM_NOT_FOUND: {
    status: 404,
    retry: false,
    meaning: 'No such room.',
    cure: 'Create it with POST /v1/rooms.',
  },
  PARTICIPANT_NOT_FOUND: {
    status: 404,
    retry: false,
    meaning: 'No such participant in the room.',
    cure: 'List the participants with GET /v1/rooms/{room}/participants.',
  },
  PUBLICATION_NOT_FOUND: {
    status: 404,
    retry: false,
    meaning: 'No such publication in the room, or it is not yours.',
    cure: 'Follow `publication_added` and `publication_removed`.',
  },
  SUBSCRIPTION_NOT_FOUND: {
    status: 404,
    retry: false,
    meaning: 'This session does not subscribe to that publication.',
    cure: 'Send `subscribe` first.',
  },
  NOT_IN_ROOM: {
    status: 409,
    retry: false,
    meaning: 'The session has not joined the room it addresses.',
    cure: 'Send `join` first.',
  },
  ALREADY_IN_ROOM: {
    status: 409,
    retry: false,
    meaning: 'The session is in that room already.',
    cure: 'Send `leave` first, or open another connection for another device.',
  },
  RECIPIENT_OFFLINE: {
    status: 404,
    retry: false,
    meaning: 'That user has no session, or lost it longer ago than the resume window.',
    cure: 'Reach them another way. Within the window messages are kept and handed over on their return.',
  },
  WRONG_STATE: {
    status: 409,
    retry: false,
    meaning: 'The negotiation between these two is not in a state where this can be said; the message names the state.',
    cure: 'Follow the negotiation events; after a loss of track, send `close` and begin with a new offer.',
  },
  GLARE: {
    status: 409,
    retry: false,
    meaning: 'Both sides sent an offer at once and the other one counts.',
    cure: 'Roll back your offer and answer theirs, which was sent to you (perfect negotiation).',
  },
  SDP_TOO_BIG: {
    status: 413,
    retry: false,
    meaning: 'A session description above 32 KiB.',
    cure: 'Offer fewer codecs or transceivers.',
  },
  TOO_MANY_ROOMS: {
    status: 409,
    retry: false,
    meaning: 'The session is in as many rooms as a session may be.',
    cure: 'Leave one, or open another connection.',
  },
  ROOM_EXISTS: {
    status: 409,
    retry: false,
    meaning: 'A room of that name exists with other settings.',
    cure: 'Choose another name, or delete the room first.',
  },
  METADATA_NOT_OPEN: {
    status: 409,
    retry: false,
    meaning: 'The session has no link to that relay: it was never opened, or was closed.',
    cure: 'Send `metadata.connect`, then publish and subscribe again.',
  },
  TOPIC_CONFLICT: {
    status: 409,
    retry: false,
    meaning: 'Others publish this topic with another mode.',
    cure: 'Declare it with the mode it has, or take another name.',
  },
  TOO_MANY_TOPICS: {
    status: 429,
    retry: false,
    meaning: 'The room has as many topics as it may have, or the session publishes or names as many as it may.',
    cure: 'Unpublish or unsubscribe what is not needed.',
  },
  MEDIA_NOT_OPEN: {
    status: 409,
    retry: false,
    meaning: 'The session has no transports on its SFU node: never opened, or lost with a worker.',
    cure: 'Send `open_media`, then publish and subscribe again.',
  },
  MIGRATION_RUNNING: {
    status: 409,
    retry: true,
    meaning: 'This peer is being moved already.',
    cure: 'Wait until that is over.',
  },
  MIGRATION_NOT_ACTIVE: {
    status: 409,
    retry: false,
    meaning: 'This migration was committed or rolled back before.',
    cure: 'Stay where you are: the room says where that is.',
  },
  DRILL_REFUSED: {
    status: 403,
    retry: false,
    meaning:
      'This SFU node does not die on request: drills are turned off there, or it shares its process with every other service. The message says which.',
    cure: 'Set FLOTILLA_DRILLS=true on the SFU nodes of a fleet that may be broken; to kill a node, run it as a process of its own (`npm run fleet`).',
  },
  MEDIA_UNSUPPORTED: {
    status: 422,
    retry: false,
    meaning: 'The SFU cannot take these RTP parameters, or the receiver cannot decode this publication.',
    cure: 'Use one of the codecs in `welcome.rtpCapabilities`.',
  },
  TOKENS_NOT_ISSUED: {
    status: 501,
    retry: false,
    meaning: 'This fleet issues no tokens: it has no FLOTILLA_TOKEN_SECRET and trusts another issuer.',
    cure: 'Ask the issuer behind FLOTILLA_TOKEN_JWKS_URL for a token, or give the registry and the gateways a secret.',
  },
  ROOM_FULL: {
    status: 409,
    retry: true,
    meaning: 'The room has its maximum of participants.',
    cure: 'Wait until somebody leaves, or create the room with a larger `maxParticipants`.',
  },
  UPGRADE_REQUIRED: {
    status: 426,
    retry: false,
    meaning:
      'The WebSocket endpoint was asked over plain HTTP, without an upgrade, or for a version of WebSocket other than 13.',
    cure: 'Connect to a `wss://` URL; the `Upgrade` header of the answer names what is expected.',
  },
  RATE_LIMITED: {
    status: 429,
    retry: true,
    meaning: 'Too many messages from this session, or connections from this address.',
    cure: 'Slow down; the limits are in docs/limits.md.',
  },
  OVERLOADED: {
    status: 503,
    retry: true,
    meaning: 'This gateway has more to do than it can. Calls in progress continue; new joins and connections wait.',
    cure: 'Try again after the seconds in `Retry-After`, or a few, or add gateways.',
  },
  NO_CAPACITY: {
    status: 503,
    retry: true,
    meaning: 'No live SFU node has free capacity.',
    cure: 'Add SFU nodes, or raise FLOTILLA_SFU_CAPACITY.',
  },
  NODE_UNAVAILABLE: {
    status: 503,
    retry: true,
    meaning: 'The SFU node of this session did not answer: it has failed or is restarting.',
    cure: 'Send `open_media`; the session is assigned to another node if necessary.',
  },
  ICE_FAILED: {
    status: 503,
    retry: true,
    meaning:
      'The SDK found no network path for media: no address of the SFU node, or of the other participant in a direct call, answered. The message names them.',
    cure: 'Open the media ports of the SFU nodes in firewalls, set FLOTILLA_SFU_ANNOUNCED_ADDRESS to an address that clients reach, or give `connect` a TURN server. The SDK keeps trying.',
  },
  UNAVAILABLE: {
    status: 503,
    retry: true,
    meaning: 'A service or broker this request needs is unreachable. Calls in progress continue.',
    cure: 'Try again in a second.',
  },
  DEADLINE_EXCEEDED: {
    status: 504,
    retry: true,
    meaning: 'The answer did not come within the deadline; the request may have been carried out.',
    cure: 'Try again: commands are idempotent.',
  },
  INTERNAL: {
    status: 500,
    retry: false,
    meaning: 'A defect of Flotilla.',
    cure: 'Look the trace id up in the logs and report it.',
  },
} as const satisfies Record<string, { status: number; retry: boolean; meaning: string; cure: string }>;

export type ErrorCode = keyof typeof errorCatalogue;

/** A code of the catalogue. A code that a newer server added is read as INTERNAL. */
export const ErrorCode = z.enum(Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]]).catch('INTERNAL');

/** The error part of a reply: a code of the catalogue, for programs, and a sentence, for people. */
export const ErrorBody = z.object({ code: ErrorCode, message: z.string() });
export type ErrorBody = z.infer<typeof ErrorBody>;

/** An error with a code of the catalogue. What a handler throws as this reaches the caller as it is; anything else becomes INTERNAL. */
export class FlotillaError extends Error {
  override readonly name = 'FlotillaError';

  constructor(
    readonly code: ErrorCode,
    message: string = errorCatalogue[code].meaning,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  get body(): ErrorBody {
    return { code: this.code, message: this.message };
  }

  /** The error itself when it is one of ours; INTERNAL, with the cause kept for the log, when it is not. */
  static from(error: unknown): FlotillaError {
    return error instanceof FlotillaError ? error : new FlotillaError('INTERNAL', undefined, { cause: error });
  }
}

/** The first complaint of a failed parse, as `path: what is wrong`. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue) return 'does not fit its schema';
  const path = issue.path.join('.');
  return path ? `${path}: ${issue.message}` : issue.message;
}
