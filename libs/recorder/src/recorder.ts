import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PacketPool } from '@flotilla/rtp';
import type { ManifestTrack, RecordingManifest, RecordingState } from './manifest.ts';
import { readManifest, writeManifest } from './manifest-file.ts';
import type { RecordedTrack, TrackFeed } from './track.ts';
import { TrackRecording } from './track-recording.ts';

export interface RecorderOptions {
  /** Folder of this recording alone. It is created; a recording in it, with the same id, is continued with new parts. */
  readonly directory: string;
  readonly recordingId: string;
  readonly roomId: string;
  /**
   * Bytes of all tracks that may wait for the disk, and as many that may be in MP4 fragments without an end. Above it, frames are dropped,
   * or the part with the largest fragment ends. Default 256 MiB.
   */
  readonly maxMemoryBytes?: number;
  /** Called when the recording ends by itself, after its files are closed. */
  readonly onEnd?: (state: RecordingState, error: Error) => void;
}

/** Why a recording ends before all of it was recorded, for its manifest. */
export interface RecordingFailure {
  readonly state: Exclude<RecordingState, 'recording' | 'complete'>;
  readonly reason: string;
}

const tickMs = 100;
/** The ends and sizes of open parts are brought up to date this often, in ms. */
const manifestMs = 5000;
/** Space that is given up on a full disk, so that the manifest can tell of it. */
const reserveBytes = 64 * 1024;
const reserveName = '.reserve';
/** The names of files are made of it. */
const publicationIdPattern = /^[\w-]{1,100}$/;
/** No space, quota exceeded, file too large for the limits of the process. */
const diskFullCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const defaultMemoryBytes = 256 * 2 ** 20;

/** Records the tracks of a room: each into files of its own, described by a manifest. */
export class Recorder {
  readonly #pool = new PacketPool();
  readonly #tracks = new Map<string, TrackRecording>();
  /** Ended tracks whose files are being closed. */
  readonly #closing = new Set<TrackRecording>();
  readonly #timer: NodeJS.Timeout;
  #isDirty = false;
  #isDiskBehind = false;
  #isSaving = false;
  #savedAt = performance.now();
  #saving: Promise<void> = Promise.resolve();
  #ending: Promise<RecordingManifest> | undefined;
  /** The first error of the files. */
  #error: Error | undefined;

  private constructor(
    private readonly options: RecorderOptions,
    /** Kept up to date while it records. */
    readonly manifest: RecordingManifest,
  ) {
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  /** @throws Error when the folder cannot be written, or has another recording. */
  static async start(options: RecorderOptions): Promise<Recorder> {
    const { directory, recordingId, roomId } = options;
    await mkdir(directory, { recursive: true });
    const before = await readManifest(directory);
    if (before && before.recordingId !== recordingId)
      throw new Error(
        `${directory} has the recording ${before.recordingId}, not ${recordingId}. Use a folder for each.`,
      );
    const manifest: RecordingManifest = before
      ? await continued(directory, before)
      : { version: 1, recordingId, roomId, startedAtMs: Date.now(), state: 'recording', tracks: [] };
    const reserve = await open(join(directory, reserveName), 'w');
    try {
      await reserve.writeFile(Buffer.alloc(reserveBytes));
    } finally {
      await reserve.close();
    }
    await writeManifest(directory, manifest);
    return new Recorder(options, manifest);
  }

  get state(): RecordingState {
    return this.manifest.state;
  }

  /** Whether it takes no more tracks: it has ended, or its files are being closed. */
  get hasEnded(): boolean {
    return this.#ending !== undefined;
  }

  /**
   * Starts to record a track.
   *
   * @throws Error when its codec is not supported, it is being recorded, or the recording has ended.
   */
  record(track: RecordedTrack): TrackFeed {
    const { publicationId, participantId, kind, codec } = track;
    if (this.#ending) throw new Error(`recording ${this.manifest.recordingId} has ended: ${this.manifest.state}`);
    if (!publicationIdPattern.test(publicationId)) throw new Error(`"${publicationId}" is not a publication id`);
    if (this.#tracks.has(publicationId)) throw new Error(`publication ${publicationId} is being recorded`);
    const { mimeType, clockRate, channels } = codec;
    // A publication continues with another codec as another track of the manifest.
    let entry = this.manifest.tracks.find(
      (one) => one.publicationId === publicationId && one.codec.mimeType === mimeType,
    );
    const added: ManifestTrack = {
      publicationId,
      participantId,
      kind,
      codec: { mimeType, clockRate, ...(channels !== undefined && { channels }) },
      parts: [],
    };
    entry ??= added;
    const recording = new TrackRecording(track, entry, {
      directory: this.options.directory,
      pool: this.#pool,
      isDiskBehind: () => this.#isDiskBehind,
      onChange: () => (this.#isDirty = true),
      onError: (error) => void this.#fail(error),
    });
    if (entry === added) this.manifest.tracks.push(entry);
    this.#tracks.set(publicationId, recording);
    this.#isDirty = true;
    return recording;
  }

  /** Ends one track. Resolves when its files are closed; at once when it is not recorded. */
  async endTrack(publicationId: string): Promise<void> {
    const track = this.#tracks.get(publicationId);
    if (!track) return;
    this.#tracks.delete(publicationId);
    this.#closing.add(track);
    try {
      await track.end();
    } finally {
      this.#closing.delete(track);
    }
  }

  /** Why a file could not be written: the first error, also one while the files were being closed. */
  get error(): Error | undefined {
    return this.#error;
  }

  /**
   * Ends the recording. Resolves when its files are closed; `state` of the manifest and `error` say whether all could be written.
   *
   * @param failure why it ends early. Default: it is complete.
   * @throws Error when the manifest could not be written.
   */
  stop(failure?: RecordingFailure): Promise<RecordingManifest> {
    this.#ending ??= this.#end(failure);
    return this.#ending;
  }

  #tick(): void {
    for (const track of this.#tracks.values()) track.tick();
    this.#boundMemory();
    const now = performance.now();
    if (this.#isSaving || (!this.#isDirty && now - this.#savedAt < manifestMs)) return;
    this.#isDirty = false;
    this.#isSaving = true;
    this.#savedAt = now;
    this.#save()
      .catch((error: Error) => this.#fail(error))
      .finally(() => (this.#isSaving = false));
  }

  /** All whose files are not closed. */
  get #openTracks(): TrackRecording[] {
    return [...this.#tracks.values(), ...this.#closing];
  }

  #boundMemory(): void {
    const { maxMemoryBytes = defaultMemoryBytes } = this.options;
    const tracks = this.#openTracks;
    const sum = (bytes: readonly number[]): number => bytes.reduce((total, each) => total + each, 0);
    this.#isDiskBehind = sum(tracks.map(({ queuedBytes }) => queuedBytes)) > maxMemoryBytes;
    if (sum(tracks.map(({ fragmentBytes }) => fragmentBytes)) <= maxMemoryBytes) return;
    tracks.reduce((largest, each) => (each.fragmentBytes > largest.fragmentBytes ? each : largest)).cut();
  }

  #save(): Promise<void> {
    this.#saving = this.#saving.catch(() => undefined).then(() => writeManifest(this.options.directory, this.manifest));
    return this.#saving;
  }

  async #fail(cause: Error): Promise<void> {
    this.#error ??= cause;
    // `#end` reads the error when the files are closed.
    if (this.#ending) return;
    const failure = failureOf(cause);
    this.#ending = this.#end(failure);
    // The manifest may not be on disk, but the files are closed.
    await this.#ending.catch(() => undefined);
    this.options.onEnd?.(failure.state, cause);
  }

  async #end(failure?: RecordingFailure): Promise<RecordingManifest> {
    clearInterval(this.#timer);
    const { manifest } = this;
    try {
      await Promise.all(this.#openTracks.map((track) => track.end()));
      this.#tracks.clear();
      await rm(join(this.options.directory, reserveName), { force: true });
      manifest.endedAtMs = Date.now();
      Object.assign(manifest, failure ?? (this.#error ? failureOf(this.#error) : { state: 'complete' }));
      await this.#save();
      return manifest;
    } catch (error) {
      this.#error ??= error as Error;
      Object.assign(manifest, failure ?? failureOf(this.#error));
      throw error;
    }
  }
}

function failureOf(error: Error): RecordingFailure {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return { state: diskFullCodes.has(code) ? 'disk full' : 'write failed', reason: message };
}

/** The manifest of a recording whose recorder was killed or stopped. */
async function continued(directory: string, before: RecordingManifest): Promise<RecordingManifest> {
  const { endedAtMs: _endedAtMs, reason: _reason, ...manifest } = before;
  for (const part of manifest.tracks.flatMap(({ parts }) => parts)) {
    if (part.state !== 'open') continue;
    part.state = 'interrupted';
    part.bytes = (await stat(join(directory, part.file)).catch(() => ({ size: 0 }))).size;
  }
  return { ...manifest, state: 'recording' };
}
