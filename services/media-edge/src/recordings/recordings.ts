import { setTimeout as pause } from 'node:timers/promises';
import { type Backend, type BackendOptions, createBackend } from '@flotilla/backend';
import { FlotillaError, type IssuedToken, recordingUserId } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import { base32Id } from '../ids.ts';
import { createFolder, folderOf, freeBytesOf, removeEmpty } from './folders.ts';
import { RecordingError } from './recording-error.ts';
import { type RecordingStatus, RoomRecording } from './room-recording.ts';

/** By which everybody in the room sees that it is recorded. */
const participantName = 'Recording';
/** Ended recordings that are shown until the process ends. Older ones are on disk only. */
const shownEnded = 100;
const diskCheckMs = 5000;
/** Longest time that the answer to a stop waits for the files. */
const stopAnswerMs = 10_000;

export interface RecordingsOptions {
  /** Folder of all recordings, each in a folder of its own. Undefined: this edge does not record. */
  readonly directory: string | undefined;
  readonly signalUrl: string;
  readonly registry: BackendOptions;
  readonly maxRecordings: number;
  /** Of each recording. */
  readonly maxTracks: number;
  /** Less free space refuses new recordings and ends those that run. */
  readonly minFreeBytes: number;
  readonly idleMs: number;
  readonly giveUpMs: number;
  readonly log: Logger;
}

/** A recording as the REST API shows it. */
export interface RecordingView extends RecordingStatus {
  readonly id: string;
  /** As it was named in the request. */
  readonly room: string;
}

/** A room of a request. */
interface RequestedRoom {
  /** Its name or its id, as in the request. */
  readonly room: string;
  /** Undefined until the registry has issued a token for it. */
  readonly roomId: string | undefined;
}

interface Entry extends RequestedRoom {
  readonly roomId: string;
  readonly recording: RoomRecording;
}

/** The recordings of this edge. They end with its process. */
export class Recordings {
  readonly #entries = new Map<string, Entry>();
  /** Rooms whose recording is being created. */
  readonly #pending = new Set<RequestedRoom>();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #registry: Backend;
  #isCheckingDisk = false;
  #closed = false;

  constructor(private readonly options: RecordingsOptions) {
    const { directory, registry } = options;
    this.#registry = createBackend(registry);
    if (directory !== undefined) this.#timer = setInterval(() => void this.#checkDisk(directory), diskCheckMs).unref();
  }

  /**
   * Starts to record a room. Throws FlotillaError: NOT_FOUND without a folder, OVERLOADED at the maximum, WRONG_STATE when the room is
   * being recorded, NO_CAPACITY without free space, UNAVAILABLE when the folder cannot be written, and those of a join token.
   */
  async start(room: string): Promise<RecordingView> {
    const { signalUrl, maxTracks, idleMs, giveUpMs, log } = this.options;
    const root = this.#requireDirectory();
    const request: { room: string; roomId: string | undefined } = { room, roomId: undefined };
    this.#checkNotRecorded(request);
    this.#checkLimits();
    this.#pending.add(request);
    try {
      const id = base32Id('rec_');
      const directory = folderOf(root, id);
      // A room that does not exist is the caller's to know at once, and leaves no folder.
      const issued = await this.#issueToken(room, id);
      // A registry of an earlier version does not say the id.
      const { roomId = room } = issued;
      request.roomId = roomId;
      // Another request may have named the same room by its id, or by its name.
      this.#checkNotRecorded(request);
      let first: string | undefined = issued.token;
      const token = async (): Promise<string> => {
        const next = first ?? (await this.#issueToken(roomId, id)).token;
        first = undefined;
        return next;
      };
      await createFolder(root);
      await this.#requireSpace(root);
      await createFolder(directory);
      if (this.#closed) {
        await removeEmpty(directory);
        throw new FlotillaError('UNAVAILABLE', 'this media edge is stopping');
      }
      const recording = new RoomRecording({
        id,
        roomId,
        directory,
        name: participantName,
        signalUrl,
        token,
        maxTracks,
        idleMs,
        giveUpMs,
        log: log.child({ recording: id, room }),
      });
      this.#entries.set(id, { room, roomId, recording });
      this.#forgetOldest();
      log.info({ recording: id, room, directory }, 'recording started');
      return this.get(room, id);
    } finally {
      this.#pending.delete(request);
    }
  }

  /** Throws FlotillaError NOT_FOUND, which names the setting. */
  #requireDirectory(): string {
    const { directory } = this.options;
    if (directory === undefined)
      throw new FlotillaError(
        'NOT_FOUND',
        'this media edge does not record: set FLOTILLA_EDGE_RECORDINGS_DIR to a folder for recordings',
      );
    return directory;
  }

  get #running(): [id: string, entry: Entry][] {
    return [...this.#entries].filter(([, { recording }]) => !recording.hasEnded);
  }

  #checkLimits(): void {
    const { maxRecordings } = this.options;
    if (this.#running.length + this.#pending.size >= maxRecordings)
      throw new FlotillaError(
        'OVERLOADED',
        `this edge has ${maxRecordings} recordings, its maximum (FLOTILLA_EDGE_RECORDINGS)`,
      );
  }

  #checkNotRecorded(request: RequestedRoom): void {
    const isSame = (other: RequestedRoom): boolean => isOf(other, request.room) || isOf(other, request.roomId);
    const [id, entry] = this.#running.find(([, other]) => isSame(other)) ?? [];
    const isPending = [...this.#pending].some((other) => other !== request && isSame(other));
    if (entry) throw new FlotillaError('WRONG_STATE', `the room is being recorded, as ${id} of room ${entry.room}`);
    if (isPending) throw new FlotillaError('WRONG_STATE', 'the room is being recorded');
  }

  async #requireSpace(root: string): Promise<void> {
    const { minFreeBytes } = this.options;
    const free = await freeBytesOf(root);
    if (free < minFreeBytes) throw new FlotillaError('NO_CAPACITY', spaceMessage(root, free, minFreeBytes));
  }

  async #checkDisk(root: string): Promise<void> {
    const running = this.#running;
    if (running.length === 0 || this.#isCheckingDisk) return;
    const { minFreeBytes, log } = this.options;
    this.#isCheckingDisk = true;
    try {
      const free = await freeBytesOf(root);
      if (free >= minFreeBytes) return;
      const error = new RecordingError('DISK_FULL', spaceMessage(root, free, minFreeBytes));
      for (const [, { recording }] of running) void recording.stop(error);
    } catch (error) {
      log.warn({ err: error }, 'free space of FLOTILLA_EDGE_RECORDINGS_DIR unknown');
    } finally {
      this.#isCheckingDisk = false;
    }
  }

  /** Issues a join token of the user of a recording, who may subscribe and nothing else. */
  #issueToken(room: string, id: string): Promise<IssuedToken> {
    return this.#registry.issueToken({
      room,
      name: participantName,
      userId: recordingUserId(id),
      grants: ['subscribe'],
    });
  }

  #forgetOldest(): void {
    const ended = [...this.#entries].filter(([, { recording }]) => recording.hasEnded);
    for (const [id] of ended.slice(0, -shownEnded)) this.#entries.delete(id);
  }

  /** Throws FlotillaError NOT_FOUND without a folder. */
  list(room: string): RecordingView[] {
    this.#requireDirectory();
    return [...this.#entries].filter(([, entry]) => isOf(entry, room)).map(([id, entry]) => viewOf(id, entry));
  }

  /** Throws FlotillaError NOT_FOUND. */
  get(room: string, id: string): RecordingView {
    return viewOf(id, this.#entry(room, id));
  }

  /** Stops a recording. Resolves when its files are closed, or after 10 s, `stopping`. Throws FlotillaError NOT_FOUND. */
  async stop(room: string, id: string): Promise<RecordingView> {
    const entry = this.#entry(room, id);
    const answered = new AbortController();
    const timeout = pause(stopAnswerMs, undefined, { signal: answered.signal }).catch(() => undefined);
    await Promise.race([entry.recording.stop(), timeout]);
    answered.abort();
    return viewOf(id, entry);
  }

  #entry(room: string, id: string): Entry {
    this.#requireDirectory();
    const entry = this.#entries.get(id);
    if (!entry || !isOf(entry, room)) throw new FlotillaError('NOT_FOUND', `no recording ${id} in this room`);
    return entry;
  }

  /** Stops all recordings. Resolves when their files are closed. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await Promise.all(Array.from(this.#entries.values(), ({ recording }) => recording.stop()));
  }
}

/** Whether a room, by its name or by its id, is the one of a request. */
const isOf = (request: RequestedRoom, room: string | undefined): boolean =>
  room !== undefined && (request.room === room || request.roomId === room);

const viewOf = (id: string, { room, recording }: Entry): RecordingView => ({ id, room, ...recording.status });

const spaceMessage = (root: string, free: number, min: number): string =>
  `${root} has ${free} bytes free, less than FLOTILLA_EDGE_RECORDINGS_MIN_FREE_BYTES (${min}). Delete or move recordings.`;
