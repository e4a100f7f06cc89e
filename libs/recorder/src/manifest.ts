import { z } from 'zod';

/** Times are milliseconds since the Unix epoch on the clock of the sender reports. */
const unixMs = z.number();

const gap = z.object({
  fromMs: unixMs,
  toMs: unixMs,
  /** `no packets`: muted, paused or not connected. `loss`: packets were lost. `new source`: another SSRC. `overload`: the disk was slower. */
  reason: z.enum(['no packets', 'loss', 'new source', 'overload']),
});

const part = z.object({
  /** Name of the file beside the manifest. */
  file: z.string().regex(/^[\w.-]+$/),
  /**
   * `open`: being written. `complete`: ended in order. `truncated`: writing failed; it is readable up to its end. `interrupted`: the
   * recorder ended without closing it; it is readable up to its last cluster or fragment.
   */
  state: z.enum(['open', 'complete', 'truncated', 'interrupted']),
  /** Time of the first frame, which has timestamp 0 in the file. */
  startMs: unixMs,
  /** Time of the last frame. */
  endMs: unixMs,
  /** What the times are from: `arrival` while there has been no sender report. */
  clock: z.enum(['sender report', 'arrival']),
  frames: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  /** Of the whole file, hexadecimal. Only of closed parts. */
  sha256: z
    .string()
    .regex(/^[\da-f]{64}$/)
    .optional(),
  /** Size of the first picture in pixels. Later ones may differ. */
  width: z.int().positive().optional(),
  height: z.int().positive().optional(),
  /** SSRCs in the order of their first frame, the last 100. */
  sources: z.array(z.int().nonnegative()),
  /** Times without frames, longer than half a second. The first 1,000. */
  gaps: z.array(gap),
});

const track = z.object({
  publicationId: z.string(),
  participantId: z.string(),
  kind: z.enum(['audio', 'video']),
  codec: z.object({ mimeType: z.string(), clockRate: z.int().positive(), channels: z.int().positive().optional() }),
  parts: z.array(part),
});

/** `manifest.json` of a recording. */
export const recordingManifest = z.object({
  version: z.literal(1),
  recordingId: z.string(),
  roomId: z.string(),
  startedAtMs: unixMs,
  endedAtMs: unixMs.optional(),
  /**
   * `disk full`, `write failed`, and `failed` for another reason, end a recording before all of it was recorded; what was written
   * until then is kept.
   */
  state: z.enum(['recording', 'complete', 'disk full', 'write failed', 'failed']),
  /** Why it is not complete, for people. */
  reason: z.string().optional(),
  tracks: z.array(track),
});

export type RecordingManifest = z.infer<typeof recordingManifest>;
export type RecordingState = RecordingManifest['state'];
export type ManifestTrack = z.infer<typeof track>;
export type ManifestPart = z.infer<typeof part>;
export type RecordingGap = z.infer<typeof gap>;
