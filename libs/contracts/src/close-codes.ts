/** Why the gateway closes a WebSocket, as close codes (RFC 6455, section 7.4; 4000 to 4999 are ours). */
export const closeCodes = {
  NORMAL: 1000,
  PROTOCOL_ERROR: 1002,
  INVALID_TEXT: 1007,
  TOO_MANY_FRAGMENTS: 1008,
  MESSAGE_TOO_BIG: 1009,
  SERVICE_RESTART: 1012,
  TOKEN_EXPIRED: 4401,
  SESSION_REVOKED: 4403,
  HANDSHAKE_TIMEOUT: 4407,
  HEARTBEAT_MISSED: 4408,
  SESSION_REPLACED: 4409,
  SLOW_CONSUMER: 4413,
  RATE_LIMITED: 4429,
} as const;

export type CloseCodeName = keyof typeof closeCodes;

export const closeCodeMeanings: Readonly<Record<CloseCodeName, string>> = {
  NORMAL: 'The client closed the connection.',
  PROTOCOL_ERROR: 'A frame that RFC 6455 does not allow, such as an unmasked one.',
  INVALID_TEXT: 'Text, or the reason of a close frame, that is not UTF-8.',
  TOO_MANY_FRAGMENTS: 'A message in more than 16,384 fragments.',
  MESSAGE_TOO_BIG: 'A message above 64 KiB, in one frame or in the sum of its fragments.',
  SERVICE_RESTART:
    'The gateway is restarting, or cannot continue the events of this client. Connect again: the session resumes.',
  TOKEN_EXPIRED: 'The token expired and was not refreshed. Connect again with a new one.',
  SESSION_REVOKED:
    'An operator ended the session, or revoked its token. It cannot be resumed. The other participants see the reason `revoked`.',
  HANDSHAKE_TIMEOUT: 'No request was received within 30 s after the connection was opened.',
  HEARTBEAT_MISSED: 'No message and no pong was received for three heartbeats. The session can be resumed.',
  SESSION_REPLACED: 'The session was resumed by another connection.',
  SLOW_CONSUMER: 'More than 1 MiB is unsent to this client. The session can be resumed.',
  RATE_LIMITED: 'The client kept sending far above the rate limit after refusals.',
};
