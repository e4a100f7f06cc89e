import {
  type ClockReport,
  type Depacketizer,
  type DepacketizerHandlers,
  KeyFrameRequester,
  type MediaFrame,
  MediaTimeline,
  type PacketPool,
  ReorderBuffer,
  type RtpPacket,
} from '@flotilla/rtp';

/** Longest time to wait for the first sender report, in ms: mediasoup sends one every 5 s for audio. */
const maxReportWaitMs = 6000;
/** Bounds of what waits for the first sender report. */
const maxPendingFrames = 2000;
const maxPendingBytes = 32 * 2 ** 20;

/** A frame with its own copy of the data, at its time on the clock of the sender reports. */
export interface TimedFrame {
  readonly data: Buffer;
  readonly isKeyFrame: boolean;
  readonly atMs: number;
  /** Whether `atMs` is from a sender report, not from the arrival. */
  readonly isReported: boolean;
  /** Whether frames between this one and the one before were dropped because of lost packets. */
  readonly followsLoss: boolean;
}

interface PendingFrame extends Pick<MediaFrame, 'isKeyFrame' | 'rtpTimestamp'> {
  readonly data: Buffer;
  readonly arrivedMs: number;
  readonly followsLoss: boolean;
}

/** One SSRC of a track: from its packets to frames with their times. */
export class SourceStream {
  readonly #reorder: ReorderBuffer;
  readonly #depacketizer: Depacketizer;
  #timeline: MediaTimeline;
  readonly #keyFrames: KeyFrameRequester;
  #pending: PendingFrame[] = [];
  #pendingBytes = 0;
  #droppedBefore = 0;
  #arrivedMs = 0;
  /** Time of the last packet on a monotonic clock, in ms. */
  lastPacketAt = -Infinity;

  constructor(
    readonly ssrc: number,
    private readonly clockRate: number,
    depacketizer: (handlers: DepacketizerHandlers) => Depacketizer,
    pool: PacketPool,
    private readonly handlers: {
      /** Called when a frame is complete, before it has a time. */
      readonly onArrival: () => void;
      readonly onFrame: (frame: TimedFrame) => void;
      /** Called twice a second at most. */
      readonly requestKeyFrame: () => void;
    },
  ) {
    this.#timeline = new MediaTimeline(clockRate);
    this.#keyFrames = new KeyFrameRequester(handlers.requestKeyFrame);
    this.#depacketizer = depacketizer({
      onFrame: (frame) => this.#onFrame(frame),
      onKeyFrameNeeded: () => this.requestKeyFrame(),
    });
    this.#reorder = new ReorderBuffer(pool, (packet) => this.#depacketizer.push(packet));
  }

  requestKeyFrame(): void {
    this.#keyFrames.request(performance.now());
  }

  /** All frames from here on are later than this time in ms. */
  startAfter(lastMs: number): void {
    this.#timeline = new MediaTimeline(this.clockRate, lastMs, this.#timeline.report);
  }

  packet(packet: RtpPacket, arrivedMs: number, now: number): void {
    this.lastPacketAt = now;
    this.#arrivedMs = arrivedMs;
    this.#reorder.push(packet, now);
  }

  senderReport(report: ClockReport): void {
    this.#timeline.onSenderReport(report);
    this.#releasePending();
  }

  /** Gives up on what has been waited for long enough. */
  tick(nowMs: number, now: number): void {
    this.#reorder.expire(now);
    const first = this.#pending[0];
    if (first && nowMs - first.arrivedMs > maxReportWaitMs) this.#releasePending();
  }

  /** Passes on all that is held. */
  flush(): void {
    this.#reorder.flush();
    this.#releasePending();
  }

  #onFrame({ data, rtpTimestamp, isKeyFrame }: MediaFrame): void {
    const dropped = this.#depacketizer.droppedFrames;
    const followsLoss = dropped > this.#droppedBefore;
    this.#droppedBefore = dropped;
    this.#pending.push({ data: Buffer.from(data), rtpTimestamp, isKeyFrame, arrivedMs: this.#arrivedMs, followsLoss });
    this.#pendingBytes += data.length;
    this.handlers.onArrival();
    const isFull = this.#pending.length > maxPendingFrames || this.#pendingBytes > maxPendingBytes;
    if (this.#timeline.isFixed || this.#timeline.mapped || isFull) this.#releasePending();
  }

  #releasePending(): void {
    const frames = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    for (const { data, isKeyFrame, rtpTimestamp, arrivedMs, followsLoss } of frames) {
      const atMs = this.#timeline.next(rtpTimestamp, arrivedMs);
      this.handlers.onFrame({ data, isKeyFrame, atMs, isReported: this.#timeline.mapped, followsLoss });
    }
  }
}
