/** Why the gateway closes a WebSocket, as close codes (RFC 6455, section 7.4; 4000 to 4999 are ours). */
export const closeCodes = {
  /** The client said goodbye, or its last room was deleted. */
  NORMAL: 1000,
  /** The gateway is restarting: connect again, the session resumes elsewhere. */
  SERVICE_RESTART: 1012,
  /** A frame above `maxFrameBytes`. Set by the WebSocket layer. */
  MESSAGE_TOO_BIG: 1009,
  /** Nothing was heard, not even a pong, for two heartbeats. */
  HEARTBEAT_MISSED: 4408,
  /** The session was resumed by another connection. */
  SESSION_REPLACED: 4409,
  /** Removed from its last room by a backend. */
  REMOVED: 4410,
  /** Too much is waiting to be sent to this client. */
  SLOW_CONSUMER: 4413,
} as const;

export type CloseCode = (typeof closeCodes)[keyof typeof closeCodes];
