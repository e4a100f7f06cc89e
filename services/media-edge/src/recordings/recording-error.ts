/** What a problem does to a recording: it continues, it ends with all that there was to record, or it fails. */
export const recordingErrors = {
  FLEET_UNAVAILABLE: 'continues',
  CODEC_UNSUPPORTED: 'continues',
  TOO_MANY_TRACKS: 'continues',
  SUBSCRIPTION_FAILED: 'continues',
  NOTHING_PUBLISHED: 'complete',
  REMOVED: 'complete',
  REFUSED: 'failed',
  GAVE_UP: 'failed',
  DISK_FULL: 'failed',
  WRITE_FAILED: 'failed',
} as const;
export type RecordingErrorCode = keyof typeof recordingErrors;

/** A problem of a recording. The message has cause and cure; docs/media-edge.md explains each code. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError';

  constructor(
    readonly code: RecordingErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  get effect(): (typeof recordingErrors)[RecordingErrorCode] {
    return recordingErrors[this.code];
  }
}

/** No space, quota exceeded, file too large for the limits of the process. */
const fullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The error of a failed write to a folder. */
export function writeError(directory: string, cause: unknown): RecordingError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  if (fullCodes.has(code))
    return new RecordingError('DISK_FULL', `no space for ${directory} (${code}). Delete or move recordings.`, {
      cause,
    });
  const reason = `${directory} cannot be written: ${message}`;
  return new RecordingError('WRITE_FAILED', `${reason}. Check FLOTILLA_EDGE_RECORDINGS_DIR and its disk.`, { cause });
}
