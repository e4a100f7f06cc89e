import type { ForwardedTrack } from '@flotilla/edge-peer';
import type { Logger } from '@flotilla/runtime';
import { BackOff } from './back-off.ts';
import { IngestError, type IngestErrorCode } from './ingest-error.ts';
import { RoomLink } from './room-link.ts';
import type { MediumKind, Source, SourceHandlers } from './sources/source.ts';
import { TrackFeed } from './track-feed.ts';

/** `connecting`: not live yet. `live`: packets arrive and are sent to the room. `retrying`: interrupted. `failed`: ended for good. */
export type IngestState = 'connecting' | 'live' | 'retrying' | 'failed';

/** Time without a packet after which a source is silent, in milliseconds. */
const silentMs = 5000;
const checkMs = 1000;

export interface IngestDefinition {
  readonly id: string;
  readonly kind: 'rtp' | 'rtsp';
  readonly room: string;
  readonly name: string;
  /** Opens its source. Called again after each end of the source. Rejects with an IngestError. */
  readonly open: (handlers: SourceHandlers) => Promise<Source>;
  /** Whether a source that is silent is opened again, or waited for. */
  readonly reopensSilent: boolean;
}

export interface IngestContext {
  readonly signalUrl: string;
  readonly token: () => Promise<string>;
  /** Time without being live after which it fails, in milliseconds. */
  readonly giveUpMs: number;
  readonly log: Logger;
}

export interface StreamStatus {
  readonly packets: number;
  readonly lost: number;
  readonly late: number;
  readonly invalid: number;
  readonly dropped: number;
  readonly bitsPerSecond: number;
}

export interface IngestStatus {
  readonly state: IngestState;
  readonly participantId?: string;
  readonly nodeId?: string;
  /** Per kind of stream. */
  readonly streams: Partial<Record<MediumKind, StreamStatus>>;
  readonly lastError?: { readonly code: IngestErrorCode; readonly message: string; readonly at: number };
}

/** Brings one source into a room, for as long as it is not closed. */
export class Ingest {
  readonly #room: RoomLink;
  readonly #feeds = new Map<MediumKind, TrackFeed>();
  readonly #backOff = new BackOff();
  readonly #timer: NodeJS.Timeout;
  readonly #bitRates = new Map<MediumKind, { bytes: number; bitsPerSecond: number }>();
  #source: Source | undefined;
  #reopen: NodeJS.Timeout | undefined;
  #roomProblem: IngestError | undefined;
  #lastError: IngestStatus['lastError'];
  #failed = false;
  #wasLive = false;
  #liveUntil = performance.now();
  #checkedAt = performance.now();
  #closed = false;

  private constructor(
    readonly definition: IngestDefinition,
    private readonly context: IngestContext,
  ) {
    this.#room = new RoomLink({
      url: context.signalUrl,
      room: definition.room,
      name: definition.name,
      token: context.token,
      log: context.log,
      onChange: (problem) => {
        this.#roomProblem = problem;
        if (problem) this.#report(problem);
      },
    });
    this.#timer = setInterval(() => this.#check(performance.now()), checkMs);
  }

  /** Begins. Throws the IngestError of a source that cannot be opened even once, if that is final or `NO_PORTS`. */
  static async begin(definition: IngestDefinition, context: IngestContext): Promise<Ingest> {
    const ingest = new Ingest(definition, context);
    try {
      if (definition.kind === 'rtp') await ingest.#open();
      else void ingest.#openOrRetry();
      return ingest;
    } catch (error) {
      ingest.close();
      throw error;
    }
  }

  /** The source that is open. */
  get source(): Source | undefined {
    return this.#source;
  }

  async #open(): Promise<void> {
    let isCurrent = true;
    const handlers: SourceHandlers = {
      onMedia: (media) => {
        for (const medium of media) this.#feedOf(medium.kind).begin(medium);
      },
      onPacket: (kind, packet, now) => {
        if (!isCurrent || this.#failed) return;
        try {
          this.#feedOf(kind).write(packet, now);
        } catch (error) {
          if (!(error instanceof IngestError)) throw error;
          this.#fail(error);
        }
      },
      onProblem: (error) => this.#report(error),
      onEnded: (error) => {
        if (!isCurrent) return;
        isCurrent = false;
        this.#ended(error);
      },
    };
    const source = await this.definition.open(handlers);
    this.#before = { invalid: 0, dropped: 0 };
    if (!this.#closed && !this.#failed && isCurrent) this.#source = source;
    else source.close();
  }

  async #openOrRetry(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      const failure =
        error instanceof IngestError
          ? error
          : new IngestError('SOURCE_UNREACHABLE', error instanceof Error ? error.message : String(error));
      this.#ended(failure);
    }
  }

  #feedOf(kind: MediumKind): TrackFeed {
    const known = this.#feeds.get(kind);
    if (known) return known;
    const feed = new TrackFeed({
      kind,
      cname: this.definition.id,
      label: this.definition.name,
      onKeyFrameRequest: () => this.#source?.requestKeyFrame(),
      onTrack: (track: ForwardedTrack, previous: ForwardedTrack | undefined) => {
        if (previous) this.#room.remove(previous);
        this.#room.add(track);
      },
      onProblem: (error) => this.#report(error),
    });
    this.#feeds.set(kind, feed);
    return feed;
  }

  /** The source has ended: it is opened again after a pause, unless that cannot help. */
  #ended(error: IngestError): void {
    if (this.#closed || this.#failed) return;
    this.#source?.close();
    this.#source = undefined;
    if (error.isFinal) return this.#fail(error);
    this.#report(error);
    clearTimeout(this.#reopen);
    this.#reopen = setTimeout(() => void this.#openOrRetry(), this.#backOff.next());
  }

  #fail(error: IngestError): void {
    if (this.#failed) return;
    this.#report(error);
    this.#failed = true;
    this.#stop();
  }

  #report(error: IngestError): void {
    if (this.#failed) return;
    const { code, message } = error;
    if (this.#lastError?.code !== code || this.#lastError.message !== message)
      this.context.log.warn({ code, reason: message }, 'problem of an ingest');
    this.#lastError = { code, message, at: Date.now() };
  }

  #check(now: number): void {
    this.#measure(now);
    const source = this.#source;
    if (source) this.#checkSource(source, now);
    if (this.#roomProblem?.isFinal) return this.#fail(this.#roomProblem);
    if (this.#isLive(now)) [this.#wasLive, this.#liveUntil] = [true, now];
    else if (now - this.#liveUntil > this.context.giveUpMs)
      this.#fail(new IngestError('GAVE_UP', `not live for ${Math.round(this.context.giveUpMs / 1000)} s`));
  }

  #checkSource(source: Source, now: number): void {
    const total = (name: 'invalid' | 'dropped'): number =>
      Object.values(source.stats()).reduce((sum, stats) => sum + stats[name], 0);
    const [invalid, dropped] = [total('invalid'), total('dropped')];
    const [hasInvalid, hasDropped] = [invalid > this.#before.invalid, dropped > this.#before.dropped];
    this.#before = { invalid, dropped };
    if (hasDropped)
      this.#report(
        new IngestError(
          'BITRATE_EXCEEDED',
          'the source sends more than the maximum; what is above it is dropped. Lower its bit rate, or raise FLOTILLA_EDGE_STREAM_BITS_PER_SECOND.',
        ),
      );
    if (this.#isFlowing(now)) return this.#backOff.reset();
    const isSilent = now - source.lastAt >= silentMs;
    if (isSilent && hasInvalid)
      this.#report(
        new IngestError('SOURCE_INVALID', 'what arrives is no RTP of this stream. Check codec and payload type.'),
      );
    else if (isSilent && this.#wasLive) this.#onSilent();
  }
  #before = { invalid: 0, dropped: 0 };

  #onSilent(): void {
    const error = new IngestError(
      'SOURCE_SILENT',
      `no packet for ${silentMs / 1000} s. Check the source and its network.`,
    );
    if (this.definition.reopensSilent) this.#ended(error);
    else this.#report(error);
  }

  #measure(now: number): void {
    const seconds = (now - this.#checkedAt) / 1000;
    this.#checkedAt = now;
    for (const [kind, { payloadBytes }] of entriesOf(this.#source?.stats() ?? {})) {
      const before = this.#bitRates.get(kind)?.bytes ?? 0;
      const bits = Math.max(0, payloadBytes - before) * 8;
      this.#bitRates.set(kind, { bytes: payloadBytes, bitsPerSecond: Math.round(bits / seconds) });
    }
  }

  #isFlowing(now: number): boolean {
    const hasTrack = [...this.#feeds.values()].some((feed) => feed.hasTrack);
    return hasTrack && this.#source !== undefined && now - this.#source.lastAt < silentMs;
  }

  #isLive(now: number): boolean {
    return this.#isFlowing(now) && this.#room.isJoined && !this.#roomProblem;
  }

  get status(): IngestStatus {
    const now = performance.now();
    const { participantId, nodeId } = this.#room;
    const streams = entriesOf(this.#source?.stats() ?? {}).map(([kind, { packets, lost, late, invalid, dropped }]) => [
      kind,
      { packets, lost, late, invalid, dropped, bitsPerSecond: this.#bitRates.get(kind)?.bitsPerSecond ?? 0 },
    ]);
    return {
      state: this.#stateAt(now),
      ...(participantId !== undefined && { participantId }),
      ...(nodeId !== undefined && { nodeId }),
      streams: Object.fromEntries(streams) as IngestStatus['streams'],
      ...(this.#lastError && { lastError: this.#lastError }),
    };
  }

  #stateAt(now: number): IngestState {
    if (this.#failed) return 'failed';
    if (this.#isLive(now)) return 'live';
    return this.#wasLive || this.#lastError ? 'retrying' : 'connecting';
  }

  /** Leaves the room and closes the source. */
  close(): void {
    this.#closed = true;
    this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#reopen);
    this.#source?.close();
    this.#source = undefined;
    this.#room.close();
  }
}

function entriesOf<T>(record: Partial<Record<MediumKind, T>>): [MediumKind, T][] {
  return Object.entries(record) as [MediumKind, T][];
}
