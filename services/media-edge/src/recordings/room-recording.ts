import { type Event, FlotillaError, read, roomEvents } from '@flotilla/contracts';
import { EdgePeer, type EdgePeerHandlers } from '@flotilla/edge-peer';
import { type ManifestTrack, Recorder, type RecordingFailure } from '@flotilla/recorder';
import type { Logger } from '@flotilla/runtime';
import { BackOff } from '../back-off.ts';
import { finalCodes } from '../final-codes.ts';
import { removeEmpty } from './folders.ts';
import { RecordedTracks } from './recorded-tracks.ts';
import { RecordingError, type RecordingErrorCode, writeError } from './recording-error.ts';
import { type TrackStatus, trackStatus } from './track-status.ts';

/**
 * `connecting`: not in the room yet. `recording`: in the room. `retrying`: not in the room any more, and joins again. `stopping`: it
 * has left the room, and its files are being closed. `complete`: ended, its files are closed. `failed`: ended by an error; what was
 * written until then is kept.
 */
export type RoomRecordingState = 'connecting' | 'recording' | 'retrying' | 'stopping' | 'complete' | 'failed';

const checkMs = 1000;
/** Final errors of a join that say that the room or the participant is not there any more. */
const removals: ReadonlySet<string> = new Set(['BANNED', 'NOT_IN_ROOM', 'ROOM_NOT_FOUND', 'SESSION_REVOKED']);

export interface RoomRecordingOptions {
  readonly id: string;
  readonly roomId: string;
  /** Folder of this recording alone. */
  readonly directory: string;
  /** Display name of its participant. */
  readonly name: string;
  readonly signalUrl: string;
  readonly token: () => Promise<string>;
  readonly maxTracks: number;
  /** Time in the room without publications after which it ends, in milliseconds. */
  readonly idleMs: number;
  /** Time out of the room after which it fails, in milliseconds. */
  readonly giveUpMs: number;
  readonly log: Logger;
}

export interface RecordingStatus {
  readonly state: RoomRecordingState;
  readonly roomId: string;
  /** Milliseconds since the Unix epoch. Absent before it is in the room. */
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly durationMs: number;
  /** Of all files of the tracks. */
  readonly bytes: number;
  readonly participantId?: string;
  readonly nodeId?: string;
  readonly tracks: readonly TrackStatus[];
  /** Publications of now that are not recorded. */
  readonly leftOut: readonly { readonly publicationId: string; readonly code: RecordingErrorCode }[];
  readonly lastError?: { readonly code: RecordingErrorCode; readonly message: string; readonly at: number };
}

/** Records one room, for as long as it is not stopped: a participant who subscribes to all publications and publishes nothing. */
export class RoomRecording {
  readonly #tracks: RecordedTracks;
  readonly #backOff = new BackOff();
  readonly #timer: NodeJS.Timeout;
  #peer: EdgePeer | undefined;
  /** Identifies the current session in the room, or the attempt to get one. */
  #attempt: symbol | undefined;
  #rejoin: NodeJS.Timeout | undefined;
  #starting: Promise<Recorder> | undefined;
  #recorder: Recorder | undefined;
  #lastError: RecordingStatus['lastError'];
  #inRoomAt = performance.now();
  #publishedAt = performance.now();
  #ending: Promise<void> | undefined;
  #endState: 'complete' | 'failed' | undefined;
  /** The status at the end. Nothing else of an ended recording is kept. */
  #endStatus: RecordingStatus | undefined;

  /** Begins. */
  constructor(private readonly options: RoomRecordingOptions) {
    this.#tracks = new RecordedTracks({
      maxTracks: options.maxTracks,
      publication: (id) => this.#peer?.publications.get(id),
      requestKeyFrame: (ssrc) => this.#peer?.requestKeyFrame(ssrc),
      onLeftOut: (error) => this.#report(error),
      onFailed: (cause) => void this.stop(writeError(options.directory, cause)),
    });
    this.#timer = setInterval(() => this.#check(performance.now()), checkMs);
    void this.#join();
  }

  /** Whether it has ended, and its files are closed. */
  get hasEnded(): boolean {
    return this.#endState !== undefined;
  }

  async #join(): Promise<void> {
    const { signalUrl: url, roomId: room, name, token } = this.options;
    const attempt = Symbol(room);
    this.#attempt = attempt;
    const isCurrent = (): boolean => this.#attempt === attempt;
    let peer: EdgePeer;
    try {
      peer = await EdgePeer.join({ url, room, name, token, handlers: this.#handlersOf(isCurrent) });
    } catch (error) {
      if (isCurrent()) this.#lost(error);
      return;
    }
    if (isCurrent()) await this.#startRecorder();
    // Stopped or lost meanwhile.
    if (!isCurrent()) return peer.close();
    this.#peer = peer;
    this.#tracks.retain(peer.publications);
    this.#backOff.reset();
  }

  #handlersOf(isCurrent: () => boolean): EdgePeerHandlers {
    const { log } = this.options;
    /** Nothing of a session that was replaced. */
    const ifCurrent =
      <T extends unknown[]>(handle: (...values: T) => void) =>
      (...values: T): void => {
        if (isCurrent()) handle(...values);
      };
    const lost = ifCurrent((error: FlotillaError) => this.#lost(error));
    return {
      onSubscribed: ifCurrent((subscription) => this.#tracks.subscribed(subscription)),
      onPacket: ifCurrent((publicationId, packet) => this.#tracks.packet(publicationId, packet)),
      onSenderReport: ifCurrent((publicationId, report) => this.#tracks.senderReport(publicationId, report)),
      onStreamEnded: ifCurrent((publicationId, ssrc) => this.#tracks.streamEnded(publicationId, ssrc)),
      onPublicationEnded: ifCurrent((publicationId) => this.#tracks.ended(publicationId)),
      onRoomEvent: ifCurrent((event) => this.#onRoomEvent(event)),
      onMoved: (move) => log.info({ ...move }, 'recording moved to another SFU node'),
      onProblem: (problem) => log.warn({ problem }, 'problem of the recording in the room'),
      onMediaFailed: lost,
      onClosed: lost,
    };
  }

  /** Starts the recorder with the first join. */
  async #startRecorder(): Promise<void> {
    const { directory, id: recordingId, roomId } = this.options;
    this.#starting ??= Recorder.start({
      directory,
      recordingId,
      roomId,
      onEnd: (_state, cause) => void this.stop(writeError(directory, cause)),
    });
    try {
      this.#recorder = await this.#starting;
      this.#tracks.begin(this.#recorder);
    } catch (cause) {
      void this.stop(writeError(directory, cause));
    }
  }

  #onRoomEvent({ type, payload }: Event): void {
    if (type !== 'grants_changed') return;
    const { participantId, grants } = read(roomEvents.grants_changed, payload);
    if (participantId === this.#peer?.participantId && !grants.includes('subscribe'))
      void this.stop(new RecordingError('REMOVED', 'the grant `subscribe` was taken from its participant'));
  }

  /** It is not in the room, and joins again unless that cannot help. */
  #lost(cause: unknown): void {
    this.#attempt = undefined;
    this.#peer?.close();
    this.#peer = undefined;
    const { code, message } = FlotillaError.from(cause);
    const reason = `${code}: ${message}`;
    if (finalCodes.has(code)) {
      void this.stop(new RecordingError(removals.has(code) ? 'REMOVED' : 'REFUSED', reason, { cause }));
      return;
    }
    this.#report(new RecordingError('FLEET_UNAVAILABLE', reason, { cause }));
    this.#rejoin = setTimeout(() => void this.#join(), this.#backOff.next());
  }

  #report({ code, message }: RecordingError): void {
    if (this.#lastError?.code !== code || this.#lastError.message !== message)
      this.options.log.warn({ code, reason: message }, 'problem of a recording');
    this.#lastError = { code, message, at: Date.now() };
  }

  #check(now: number): void {
    const { idleMs, giveUpMs } = this.options;
    const { publications, failedSubscriptions } = this.#peer ?? {};
    if (publications) this.#inRoomAt = now;
    // Without a session it is unknown what is published.
    if (publications?.size !== 0) this.#publishedAt = now;
    if (publications) this.#tracks.checkCodecs(publications.values());
    if (failedSubscriptions) this.#tracks.checkSubscriptions(failedSubscriptions);
    const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
    if (now - this.#inRoomAt > giveUpMs)
      void this.stop(new RecordingError('GAVE_UP', `not in the room for ${seconds(giveUpMs)}`));
    else if (now - this.#publishedAt > idleMs)
      void this.stop(new RecordingError('NOTHING_PUBLISHED', `nothing was published for ${seconds(idleMs)}`));
  }

  /**
   * Leaves the room and closes the files. Resolves when they are on disk; never rejects.
   *
   * @param error why, unless it was asked for.
   */
  stop(error?: RecordingError): Promise<void> {
    this.#ending ??= this.#end(error);
    return this.#ending;
  }

  async #end(error: RecordingError | undefined): Promise<void> {
    clearInterval(this.#timer);
    clearTimeout(this.#rejoin);
    this.#attempt = undefined;
    this.#peer?.close();
    this.#peer = undefined;
    if (error) this.#report(error);
    let failure = error?.effect === 'failed' ? error : undefined;
    let recorder: Recorder | undefined;
    let cause: unknown;
    try {
      recorder = await this.#starting;
      await recorder?.stop(failure && failureOf(failure));
    } catch (thrown) {
      cause = thrown;
    }
    // Of the files, while they were being closed.
    cause = recorder?.error ?? cause;
    if (cause !== undefined && !failure) {
      failure = writeError(this.options.directory, cause);
      this.#report(failure);
    }
    // Nothing was recorded.
    if (!this.#recorder) await removeEmpty(this.options.directory);
    const isEmpty = error !== undefined && !this.#recorder;
    this.#endState = failure || isEmpty ? 'failed' : 'complete';
    this.#endStatus = this.#currentStatus();
    this.#tracks.close();
    this.#recorder = undefined;
    this.#starting = undefined;
    this.options.log.info({ state: this.#endState }, 'recording ended');
  }

  get status(): RecordingStatus {
    return this.#endStatus ?? this.#currentStatus();
  }

  #currentStatus(): RecordingStatus {
    const manifest = this.#recorder?.manifest;
    const tracks = manifest?.tracks.map((track) => trackStatus(track, this.#isOpen(track))) ?? [];
    const { participantId, nodeId } = this.#peer ?? {};
    const { startedAtMs: startedAt, endedAtMs: endedAt } = manifest ?? {};
    return {
      state: this.#state,
      roomId: this.options.roomId,
      ...(startedAt !== undefined && { startedAt }),
      ...(endedAt !== undefined && { endedAt }),
      durationMs: startedAt === undefined ? 0 : (endedAt ?? Date.now()) - startedAt,
      bytes: tracks.reduce((sum, { bytes }) => sum + bytes, 0),
      ...(participantId !== undefined && { participantId }),
      ...(nodeId !== undefined && { nodeId }),
      tracks,
      leftOut: Array.from(this.#tracks.leftOut, ([publicationId, code]) => ({ publicationId, code })),
      ...(this.#lastError && { lastError: this.#lastError }),
    };
  }

  #isOpen({ publicationId, codec }: ManifestTrack): boolean {
    return !this.#ending && this.#tracks.isOpen(publicationId, codec.mimeType);
  }

  get #state(): RoomRecordingState {
    if (this.#ending) return this.#endState ?? 'stopping';
    if (this.#peer) return 'recording';
    return this.#recorder || this.#lastError ? 'retrying' : 'connecting';
  }
}

/** How the manifest says it. */
function failureOf({ code, message }: RecordingError): RecordingFailure {
  const states: Partial<Record<RecordingErrorCode, RecordingFailure['state']>> = {
    DISK_FULL: 'disk full',
    WRITE_FAILED: 'write failed',
  };
  return { state: states[code] ?? 'failed', reason: `${code}: ${message}` };
}
