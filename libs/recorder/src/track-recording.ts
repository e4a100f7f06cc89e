import { join } from 'node:path';
import { type PacketPool, RtpPacket } from '@flotilla/rtp';
import { type CodecFormat, codecFormat, type DecoderConfig } from './codec-formats.ts';
import type { ManifestPart, ManifestTrack, RecordingGap } from './manifest.ts';
import { PartWriter } from './part-writer.ts';
import { SourceStream, type TimedFrame } from './source-stream.ts';
import type { RecordedTrack, TrackFeed } from './track.ts';

/** A longer time without frames is a gap in the manifest, in ms. Opus sends a packet every 400 ms during silence. */
const gapMs = 500;
const maxGaps = 1000;
const maxSources = 100;
/** An earlier SSRC is taken up again when the current one has been silent for this long, in ms. */
const sourceSilenceMs = 1000;
/**
 * A key frame is asked for when MP4 has had none for this long, in ms: what is behind it is in memory, and lost when the recorder is
 * killed.
 */
const maxFragmentMs = 5000;
/** Without a key frame, a new part begins when this much is in memory. */
const maxFragmentBytes = 64 * 2 ** 20;
/** Frames are dropped while more bytes wait for the disk. */
const maxQueuedBytes = 32 * 2 ** 20;
/** Parts of a track that are abandoned because a frame cannot be put into the container. After them, nothing more of it is written. */
const maxAbandonedParts = 10;
/** Files beside the manifest that a new part is not named like: a killed recorder may have created them after it saved the manifest. */
const maxExistingFiles = 100;
/** A new one begins with other parameter sets, without key frames, and after a codec was replaced. Further frames are not written. */
const maxParts = 1000;
const maxEarlier = 16;
/** Newer streams that have had no key frame yet. */
const maxCandidates = 4;
/** Sender reports of streams without packets so far. */
const maxEarlyReports = 8;

type SenderReport = Parameters<TrackFeed['senderReport']>[0];

interface Part {
  readonly writer: PartWriter;
  readonly entry: ManifestPart;
  readonly config: DecoderConfig;
}

/** What a track needs of its recording. */
export interface TrackContext {
  readonly directory: string;
  readonly pool: PacketPool;
  /** Whether too many bytes of all tracks wait for the disk. */
  readonly isDiskBehind: () => boolean;
  /** The manifest has changed. */
  readonly onChange: () => void;
  /** A file cannot be written. */
  readonly onError: (error: Error) => void;
}

/** Writes one publication to files, whatever happens to its source. */
export class TrackRecording implements TrackFeed {
  readonly #format: CodecFormat;
  readonly #view = new RtpPacket();
  /** The stream that is written. */
  #current: SourceStream | undefined;
  /** Newer streams by SSRC, in the order of their first packets, until the first key frame of each is there. */
  readonly #candidates = new Map<number, SourceStream>();
  /** SSRCs of the streams before, the last ones: while publisher and recorder both migrate, three arrive at once. */
  readonly #earlier = new Set<number>();
  readonly #earlyReports = new Map<number, SenderReport>();
  #part: Part | undefined;
  readonly #closing = new Map<PartWriter, Promise<void>>();
  /** The next frame is the first one of another SSRC. */
  #isNewSource = false;
  #isOverloaded = false;
  #abandonedParts = 0;
  /** Of MP4: when the fragment began, and its bytes. */
  #fragment = { startMs: 0, bytes: 0 };
  #ended = false;

  /** @param entry of this track in the manifest. It is kept up to date. */
  constructor(
    private readonly track: RecordedTrack,
    private readonly entry: ManifestTrack,
    private readonly context: TrackContext,
  ) {
    this.#format = codecFormat(track.codec);
  }

  packet(bytes: Buffer, arrivedMs: number = Date.now()): void {
    const packet = this.#view;
    if (this.#ended || !packet.parse(bytes) || packet.payloadType !== this.track.codec.payloadType) return;
    const now = performance.now();
    this.#streamOf(packet.ssrc, now)?.packet(packet, arrivedMs, now);
  }

  senderReport(report: SenderReport): void {
    if (this.#ended) return;
    const { ssrc } = report;
    const stream = this.#current?.ssrc === ssrc ? this.#current : this.#candidates.get(ssrc);
    if (stream) return stream.senderReport(report);
    this.#earlyReports.delete(ssrc);
    this.#earlyReports.set(ssrc, report);
    if (this.#earlyReports.size > maxEarlyReports) this.#earlyReports.delete(this.#earlyReports.keys().next().value!);
  }

  streamEnded(ssrc: number): void {
    this.#candidates.delete(ssrc);
    // It counts as silent. What it holds is written when another stream begins.
    if (this.#current?.ssrc === ssrc) this.#current.lastPacketAt = -Infinity;
  }

  /** To be called every 100 ms or so. */
  tick(): void {
    const [nowMs, now] = [Date.now(), performance.now()];
    this.#current?.tick(nowMs, now);
    for (const candidate of this.#candidates.values()) candidate.tick(nowMs, now);
    if (this.#part) this.#part.entry.bytes = this.#part.writer.bytes;
  }

  /** Bytes of frames that wait for the disk. */
  get queuedBytes(): number {
    let bytes = this.#part?.writer.queuedBytes ?? 0;
    for (const { queuedBytes } of this.#closing.keys()) bytes += queuedBytes;
    return bytes;
  }

  /** Bytes of the MP4 fragment in memory. */
  get fragmentBytes(): number {
    return this.#part && this.#format.container === 'mp4' ? this.#fragment.bytes : 0;
  }

  /** Writes what is in memory, by the end of the part. The next key frame begins another one. */
  cut(): void {
    this.#closePart();
    this.#current?.requestKeyFrame();
  }

  /** Ends the recording of this track. Resolves when its files are closed. */
  async end(): Promise<void> {
    if (!this.#ended) {
      this.#current?.flush();
      this.#ended = true;
      this.#closePart();
      // The feed may be kept for longer.
      this.#current = undefined;
      this.#candidates.clear();
      this.#earlyReports.clear();
    }
    await Promise.all(this.#closing.values());
  }

  #streamOf(ssrc: number, now: number): SourceStream | undefined {
    if (this.#current?.ssrc === ssrc) return this.#current;
    const candidate = this.#candidates.get(ssrc);
    if (candidate) return candidate;
    const isActive = (stream: SourceStream): boolean => now - stream.lastPacketAt < sourceSilenceMs;
    // Late packets of a stream before.
    if (this.#earlier.has(ssrc) && this.#current && isActive(this.#current)) return undefined;
    if (this.#candidates.size >= maxCandidates) {
      const silent = [...this.#candidates.values()].find((each) => !isActive(each));
      if (!silent) return undefined;
      this.#candidates.delete(silent.ssrc);
    }
    const stream: SourceStream = new SourceStream(
      ssrc,
      this.track.codec.clockRate,
      (handlers) => this.#format.depacketizer(handlers, this.track.codec),
      this.context.pool,
      {
        onArrival: () => this.#switchTo(stream),
        onFrame: (frame) => this.#write(frame, stream),
        requestKeyFrame: () => this.track.requestKeyFrame?.(ssrc),
      },
    );
    const report = this.#earlyReports.get(ssrc);
    if (report) stream.senderReport(report);
    this.#candidates.set(ssrc, stream);
    return stream;
  }

  /** The first key frame of a newer stream ends the one before. */
  #switchTo(stream: SourceStream): void {
    if (this.#candidates.get(stream.ssrc) !== stream) return;
    const previous = this.#current;
    previous?.flush();
    this.#current = stream;
    if (previous) this.#earlier.add(previous.ssrc);
    // Those before it are older than it.
    for (const ssrc of this.#candidates.keys()) {
      this.#candidates.delete(ssrc);
      if (ssrc === stream.ssrc) break;
      this.#earlier.add(ssrc);
    }
    this.#earlier.delete(stream.ssrc);
    while (this.#earlier.size > maxEarlier) this.#earlier.delete(this.#earlier.values().next().value!);
    this.#isNewSource = true;
    const last = this.#part?.entry.endMs;
    if (last !== undefined) stream.startAfter(last);
  }

  #write(frame: TimedFrame, stream: SourceStream): void {
    if (this.#ended || stream !== this.#current) return;
    if (this.#isBehind(frame)) return;
    const part = this.#partFor(frame);
    if (!part) return;
    const { entry, writer } = part;
    this.#noteGap(entry, frame);
    if (this.#isNewSource) entry.sources = [...entry.sources, stream.ssrc].slice(-maxSources);
    if (this.#isNewSource || (frame.isReported && entry.clock === 'arrival')) {
      entry.clock = frame.isReported ? 'sender report' : entry.clock;
      this.context.onChange();
    }
    this.#isNewSource = false;
    if (frame.isKeyFrame) this.#fragment = { startMs: frame.atMs, bytes: 0 };
    this.#fragment.bytes += frame.data.length;
    entry.endMs = Math.max(entry.endMs, frame.atMs);
    entry.frames++;
    writer.add({
      data: frame.data,
      isKeyFrame: frame.isKeyFrame,
      timestampMs: frame.atMs - entry.startMs,
      durationMs: this.#format.durationMs(frame.data),
    });
    if (this.#format.container === 'mp4') this.#boundFragment(frame.atMs);
  }

  #boundFragment(nowMs: number): void {
    const { startMs, bytes } = this.#fragment;
    if (bytes > maxFragmentBytes) this.cut();
    else if (nowMs - startMs > maxFragmentMs) this.#current?.requestKeyFrame();
  }

  /** Whether the disk is too slow for this frame. After that, the next one is a key frame. */
  #isBehind(frame: TimedFrame): boolean {
    if (this.queuedBytes > maxQueuedBytes || this.context.isDiskBehind()) this.#isOverloaded = true;
    else if (frame.isKeyFrame) return false;
    if (this.#isOverloaded) this.#current?.requestKeyFrame();
    return this.#isOverloaded;
  }

  #partFor(frame: TimedFrame): Part | undefined {
    if (this.#abandonedParts >= maxAbandonedParts || (!this.#part && this.entry.parts.length >= maxParts))
      return undefined;
    const part = this.#part;
    if (part && (!frame.isKeyFrame || this.#format.needsNewPart === undefined)) return part;
    if (!frame.isKeyFrame) {
      this.#current?.requestKeyFrame();
      return undefined;
    }
    const config = this.#format.decoderConfig(frame.data, this.track.codec);
    if (part && (!config || !this.#format.needsNewPart?.(part.config, config))) return part;
    if (!config) return undefined;
    this.#closePart();
    this.#part = this.#newPart(frame, config);
    return this.#part;
  }

  #newPart(frame: TimedFrame, config: DecoderConfig): Part | undefined {
    const created = this.#createFile(config);
    if (!created) return undefined;
    const { file, writer } = created;
    const { codedWidth: width, codedHeight: height } = config;
    const entry: ManifestPart = {
      file,
      state: 'open',
      startMs: frame.atMs,
      endMs: frame.atMs,
      clock: frame.isReported ? 'sender report' : 'arrival',
      frames: 0,
      bytes: 0,
      ...(width !== undefined && { width }),
      ...(height !== undefined && { height }),
      sources: this.#isNewSource || !this.#current ? [] : [this.#current.ssrc],
      gaps: [],
    };
    this.entry.parts.push(entry);
    this.context.onChange();
    return { writer, entry, config };
  }

  /** Creates the file of the next part. One that exists is kept. Undefined when the disk refuses it. */
  #createFile(config: DecoderConfig): { readonly file: string; readonly writer: PartWriter } | undefined {
    const { publicationId, kind } = this.track;
    const first = this.entry.parts.length + 1;
    for (let number = first; ; number++) {
      const file = `${publicationId}-${kind}-${number}.${this.#format.container}`;
      try {
        const writer: PartWriter = new PartWriter(join(this.context.directory, file), this.#format, config, {
          onDiskError: this.context.onError,
          onFormatError: () => this.#abandonPart(writer),
        });
        return { file, writer };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST' && number - first < maxExistingFiles) continue;
        this.context.onError(error as Error);
        return undefined;
      }
    }
  }

  /** The next key frame begins a new part. */
  #abandonPart(writer: PartWriter): void {
    this.#abandonedParts++;
    if (this.#part?.writer === writer) this.#closePart();
  }

  #noteGap(entry: ManifestPart, frame: TimedFrame): void {
    const isOverload = this.#isOverloaded;
    this.#isOverloaded = false;
    if (entry.frames === 0 || frame.atMs - entry.endMs <= gapMs || entry.gaps.length >= maxGaps) return;
    let reason: RecordingGap['reason'] = 'no packets';
    if (isOverload) reason = 'overload';
    else if (this.#isNewSource) reason = 'new source';
    else if (frame.followsLoss) reason = 'loss';
    entry.gaps.push({ fromMs: entry.endMs, toMs: frame.atMs, reason });
    this.context.onChange();
  }

  #closePart(): void {
    const part = this.#part;
    if (!part) return;
    this.#part = undefined;
    const closing = part.writer.close().then(
      ({ sha256, isComplete }) => {
        part.entry.state = isComplete ? 'complete' : 'truncated';
        part.entry.sha256 = sha256;
      },
      (error: Error) => {
        part.entry.state = 'truncated';
        this.context.onError(error);
      },
    );
    const closed = closing.finally(() => {
      part.entry.bytes = part.writer.bytes;
      this.#closing.delete(part.writer);
      this.context.onChange();
    });
    this.#closing.set(part.writer, closed);
  }
}
