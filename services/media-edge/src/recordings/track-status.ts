import type { ManifestTrack } from '@flotilla/recorder';

/** A track of a recording as the REST API shows it. */
export interface TrackStatus {
  readonly publicationId: string;
  readonly participantId: string;
  readonly kind: 'audio' | 'video';
  /** Media type, such as `video/VP8`. */
  readonly codec: string;
  /** `ended`: its publication ended, or the recording. */
  readonly state: 'recording' | 'ended';
  /** Names of its files in the folder of the recording, in their order in time. */
  readonly files: readonly string[];
  readonly bytes: number;
  /** From its first to its last frame that was written. */
  readonly durationMs: number;
}

export function trackStatus(
  { publicationId, participantId, kind, codec, parts }: ManifestTrack,
  isOpen: boolean,
): TrackStatus {
  const [first, last] = [parts[0], parts.at(-1)];
  return {
    publicationId,
    participantId,
    kind,
    codec: codec.mimeType,
    state: isOpen ? 'recording' : 'ended',
    files: parts.map(({ file }) => file),
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    durationMs: first && last ? Math.round(last.endMs - first.startMs) : 0,
  };
}
