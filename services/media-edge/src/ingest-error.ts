/** Why an ingest does not work, and whether it is tried again without a change. docs/media-edge.md explains each code. */
export const ingestErrors = {
  SOURCE_UNREACHABLE: { retry: true },
  SOURCE_REFUSED: { retry: true },
  SOURCE_UNAUTHORIZED: { retry: false },
  SOURCE_SILENT: { retry: true },
  SOURCE_INVALID: { retry: true },
  SOURCE_ENDED: { retry: true },
  BITRATE_EXCEEDED: { retry: true },
  NO_KEY_FRAME: { retry: true },
  CODEC_UNSUPPORTED: { retry: false },
  PROFILE_UNSUPPORTED: { retry: false },
  TRANSPORT_UNSUPPORTED: { retry: false },
  NO_PORTS: { retry: true },
  FLEET_UNAVAILABLE: { retry: true },
  REMOVED: { retry: false },
  GAVE_UP: { retry: false },
} as const;
export type IngestErrorCode = keyof typeof ingestErrors;

/** A failure of a source or of its way into the room. The message has cause and cure. */
export class IngestError extends Error {
  override readonly name = 'IngestError';

  constructor(
    readonly code: IngestErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  get isFinal(): boolean {
    return !ingestErrors[this.code].retry;
  }
}
