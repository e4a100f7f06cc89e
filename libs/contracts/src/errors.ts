import { z } from 'zod';

/**
 * Every error code of the API. `status`: the HTTP status over REST. `retry`: whether the same request may succeed later without a
 * change. docs/errors.md is generated from this table.
 */
export const errorCatalogue = {
  BAD_MESSAGE: {
    status: 400,
    retry: false,
    meaning:
      'The message is not JSON, not an envelope, has a field that the envelope does not have (such as `from`), or has text with half of a surrogate pair.',
    cure: 'Send `{id, type, to?, payload}`. The server binds `from` itself.',
  },
  UNKNOWN_TYPE: {
    status: 400,
    retry: false,
    meaning: 'No request has this type in protocol flotilla.v1.',
    cure: 'Check the spelling, and that client and server have compatible versions.',
  },
  BAD_PAYLOAD: {
    status: 400,
    retry: false,
    meaning:
      'The payload does not fit the schema of its type, or has text with half of a surrogate pair; the message names the first wrong field.',
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
    meaning:
      'The token is malformed, signed by another key, for another audience, lacks a required claim, or has a claim of another form, such as a name without a visible character.',
    cure: 'Issue a new token with POST /v1/rooms/{room}/tokens or POST /v1/tokens.',
  },
  TOKEN_EXPIRED: {
    status: 401,
    retry: false,
    meaning: 'The token is past its `exp`.',
    cure: 'Issue a new token. Tokens are valid for at most 15 minutes.',
  },
  TOKEN_REPLAYED: {
    status: 401,
    retry: false,
    meaning: 'The token was used before. Each token opens one session.',
    cure: 'Issue a token per session. To continue a session, connect with its resume token.',
  },
  TOKEN_REVOKED: {
    status: 401,
    retry: false,
    meaning: 'The token was issued before the time from which on tokens of its user, or all tokens, are accepted.',
    cure: 'Issue a new token, if the user may still connect.',
  },
  SESSION_REVOKED: {
    status: 401,
    retry: false,
    meaning: 'The SDK reports that an operator ended the session (close code 4403).',
    cure: 'Connect again with a new token, if the user may still connect.',
  },
  SESSION_EXPIRED: {
    status: 401,
    retry: false,
    meaning:
      'The resume token is not valid: its session ended, the resume window is over, or the token was used already.',
    cure: 'Connect again with a new token and join.',
  },
  CLOCK_SKEW: {
    status: 401,
    retry: false,
    meaning: "The client's clock is more than 30 s away from the server's.",
    cure: 'Set the clock, or correct the time by the header `Flotilla-Time` of GET /v1/signal/validate, as the SDK does.',
  },
  FORBIDDEN: {
    status: 403,
    retry: false,
    meaning: 'The token does not grant this.',
    cure: 'Issue a token with the grant that the message names.',
  },
  BANNED: {
    status: 403,
    retry: false,
    meaning: 'The user was removed from the room and may not join it, nor send messages into it, yet.',
    cure: 'Wait until the ban is over, or let a backend lift it: DELETE /v1/rooms/{room}/bans/{user}.',
  },
  NOT_FOUND: {
    status: 404,
    retry: false,
    meaning: 'Nothing exists at this path, or with this id.',
    cure: 'Check the path against /v1/openapi.json, and the id.',
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
    meaning: 'The room does not exist.',
    cure: 'Create it with POST /v1/rooms.',
  },
  PARTICIPANT_NOT_FOUND: {
    status: 404,
    retry: false,
    meaning: 'The participant is not in the room.',
    cure: 'List the participants with GET /v1/rooms/{room}/participants.',
  },
  PUBLICATION_NOT_FOUND: {
    status: 404,
    retry: false,
    meaning: 'The publication does not exist in the room, or belongs to another participant.',
    cure: 'Take ids from `publication_added` and the snapshot; `publication_removed` ends them.',
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
    meaning: 'The session is already in that room.',
    cure: 'Send `leave` first, or open another session for another device.',
  },
  RECIPIENT_OFFLINE: {
    status: 404,
    retry: false,
    meaning: 'The user has no session: none is connected, and none can resume.',
    cure: 'Reach the user in another way. Messages to a session that can resume are kept and delivered then.',
  },
  WRONG_STATE: {
    status: 409,
    retry: false,
    meaning: 'The request does not fit the state of the session or of the negotiation; the message names the state.',
    cure: 'Ignore it for a candidate. For a description, send `close` and begin with a new connection and a new offer. Send `resume` once, after a `welcome` with `resumed: true`.',
  },
  GLARE: {
    status: 409,
    retry: false,
    meaning: 'Both sides sent an offer at once, and the offer of the other side is the valid one.',
    cure: 'Roll back your offer and answer theirs, which was sent to you (perfect negotiation).',
  },
  MESSAGE_TOO_BIG: {
    status: 413,
    retry: false,
    meaning: 'The message is larger than the server accepts: by default 16 KiB with its envelope.',
    cure: 'Send less in one message, or as a metadata topic; operators set FLOTILLA_MAX_MESSAGE_BYTES.',
  },
  SDP_TOO_BIG: {
    status: 413,
    retry: false,
    meaning: 'The session description has more than 32,768 characters.',
    cure: 'Offer fewer codecs or transceivers.',
  },
  TOO_MANY_ROOMS: {
    status: 409,
    retry: false,
    meaning: 'The session is in the maximum number of rooms.',
    cure: 'Leave a room, or open another session.',
  },
  TOO_MANY_SESSIONS: {
    status: 429,
    retry: true,
    meaning: 'The user has the maximum number of sessions that are connected or can resume. The token was not used up.',
    cure: 'End sessions of the user: close their connections with 1000. Give each person a user of their own.',
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
    meaning: 'The session has no link to that relay: it was not opened, or was closed.',
    cure: 'Send `metadata.connect`, then publish and subscribe again.',
  },
  TOPIC_CONFLICT: {
    status: 409,
    retry: false,
    meaning: 'Other participants publish this topic with another mode.',
    cure: 'Declare it with their mode, or choose another name.',
  },
  TOO_MANY_TOPICS: {
    status: 429,
    retry: false,
    meaning: 'The room has the maximum number of topics, or the session publishes or subscribes to the maximum.',
    cure: 'Unpublish topics, or unsubscribe from them.',
  },
  MEDIA_NOT_OPEN: {
    status: 409,
    retry: false,
    meaning: 'The session has no transports on its SFU node: they were not opened, or were lost with a media worker.',
    cure: 'Send `open_media`, then publish and subscribe again.',
  },
  MIGRATION_RUNNING: {
    status: 409,
    retry: true,
    meaning:
      'The participant is being migrated. It cannot be migrated again, and a publication that it has republished on the new node cannot be republished on the old one.',
    cure: 'Wait for the end of the migration (20 s at most). To publish during it, send its `migrationId`.',
  },
  MIGRATION_NOT_ACTIVE: {
    status: 409,
    retry: false,
    meaning: 'The migration was rolled back, or does not exist.',
    cure: 'Close the new transports and continue on the current node.',
  },
  STALE_TERM: {
    status: 409,
    retry: false,
    meaning: 'An autoscaler whose term has ended gave the order: another one has led since.',
    cure: 'None is needed: the present leader plans by itself.',
  },
  DRILL_REFUSED: {
    status: 403,
    retry: false,
    meaning:
      'The SFU node refuses the drill: drills are disabled on it, or it shares its process with all other services. The message says which.',
    cure: 'Set FLOTILLA_DRILLS=true on the SFU nodes of a fleet that may fail. To kill a node, run it as a process of its own (`npm run fleet`).',
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
    meaning: 'This fleet issues no tokens: it has no FLOTILLA_TOKEN_SECRET and relies on another issuer.',
    cure: 'Ask the issuer behind FLOTILLA_TOKEN_JWKS_URL for a token, or give the registry and the gateways a secret.',
  },
  ROOM_FULL: {
    status: 409,
    retry: true,
    meaning: 'The room has its maximum number of participants.',
    cure: 'Wait until a participant leaves, or create the room with a larger `maxParticipants`.',
  },
  UPGRADE_REQUIRED: {
    status: 426,
    retry: false,
    meaning:
      'The request to the WebSocket endpoint is plain HTTP, has no upgrade, or asks for a WebSocket version other than 13.',
    cure: 'Connect to a `wss://` URL; the header `Upgrade` of the response says what is expected.',
  },
  RATE_LIMITED: {
    status: 429,
    retry: true,
    meaning:
      'Too many messages, or bytes of them, of this session, user or address, into this room or to this user; too many connections from this address, changes in this room, or publications.',
    cure: 'Send less; the limits are in docs/limits.md.',
  },
  OVERLOADED: {
    status: 503,
    retry: true,
    meaning: 'The gateway is overloaded. Calls in progress continue; new sessions and joins are refused.',
    cure: 'Retry after the seconds in `Retry-After`, or with exponential backoff. Add gateways.',
  },
  NO_CAPACITY: {
    status: 503,
    retry: true,
    meaning: 'No SFU node, or no metadata relay, has free capacity.',
    cure: 'Add nodes, or raise FLOTILLA_SFU_CAPACITY or FLOTILLA_RELAY_CAPACITY.',
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
    meaning: 'A service or broker that this request needs is unreachable. Calls in progress continue.',
    cure: 'Retry after the seconds in `Retry-After`, where it is given: nothing was done then. Otherwise with exponential backoff, from 1 s. If it lasts, check Redis, RabbitMQ and the registry.',
  },
  DEADLINE_EXCEEDED: {
    status: 504,
    retry: true,
    meaning: 'The request was not answered within its deadline. It may have been carried out.',
    cure: 'Retry. Read the current state first if a repetition would matter.',
  },
  INTERNAL: {
    status: 500,
    retry: false,
    meaning: 'An error in Flotilla.',
    cure: 'Find the error in the logs by its trace id, and report it.',
  },
} as const satisfies Record<string, { status: number; retry: boolean; meaning: string; cure: string }>;

export type ErrorCode = keyof typeof errorCatalogue;

/** A code of the catalogue. A code that a newer server added is read as INTERNAL. */
export const ErrorCode = z.enum(Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]]).catch('INTERNAL');

export const ErrorBody = z
  .object({
    code: ErrorCode.describe('Code of the error, for programs.'),
    message: z.string().describe('Cause and cure, for people. Its wording may change.'),
  })
  .describe('An error: a code of the catalogue, and a sentence.');
export type ErrorBody = z.infer<typeof ErrorBody>;

/** An error with a code of the catalogue. Thrown by a handler, it reaches the caller unchanged; any other error becomes INTERNAL. */
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

  /** Returns a FlotillaError unchanged, and any other error as the cause of INTERNAL. */
  static from(error: unknown): FlotillaError {
    return error instanceof FlotillaError ? error : new FlotillaError('INTERNAL', undefined, { cause: error });
  }
}

/** The first issue of a failed parse, as `path: message`. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue) return 'does not fit its schema';
  const path = issue.path.join('.');
  return path ? `${path}: ${issue.message}` : issue.message;
}
