import { GccEstimator, type ReceiverReport } from '@flotilla/bandwidth';
import type { Consumer, PipeTransport, RtpStreamSendStats } from 'mediasoup/types';
import { type ShedderTimes, VideoShedder } from './video-shedder.ts';

/** Number of consumers that are asked for their statistics in one measurement; the others come next. */
const maxMeasured = 8;
/** Bounds of the estimate of a pipe, bit/s. */
const bounds = { min: 100_000, start: 10_000_000, max: 10_000_000_000 };

/** The state of a pipe after a measurement. */
export interface PipeState {
  /** bit/s. */
  readonly sent: number;
  readonly estimate: number;
  readonly pausedVideos: number;
}

/**
 * Estimates the bit rate that a pipe to another node carries, from the receiver reports about its consumers, and pauses videos
 * while it loses packets because it carries more. Of the videos that carry something, the one that was added last is paused first:
 * those that are seen for longer continue. A pipe sends all layers of a video or none: mediasoup (3.27.1) ignores
 * `setPreferredLayers` at pipes.
 */
export class MeteredPipe {
  readonly #estimator: GccEstimator;
  readonly #shedder: VideoShedder;
  /** In the order of their last measurement, the oldest first. */
  readonly #consumers = new Set<Consumer>();
  /** In the order in which they were added. */
  readonly #videos = new Set<Consumer>();
  /** Bit rates at the last measurement of each, bit/s. */
  readonly #bitrates = new WeakMap<Consumer, number>();
  /** Videos that are paused here, in the order in which they were. */
  readonly #paused = new Set<Consumer>();

  constructor(
    private readonly transport: PipeTransport,
    private readonly now: () => number,
    times?: ShedderTimes,
  ) {
    this.#estimator = new GccEstimator({ bounds, now });
    this.#shedder = new VideoShedder(times);
    transport.observer.on('newconsumer', (consumer) => this.#add(consumer));
  }

  #add(consumer: Consumer): void {
    this.#consumers.add(consumer);
    if (consumer.kind === 'video') this.#videos.add(consumer);
    consumer.observer.once('close', () => {
      for (const set of [this.#consumers, this.#videos, this.#paused]) set.delete(consumer);
    });
  }

  /** Measures once, with at most 9 requests to the worker. Returns undefined while there are no reports. */
  async measure(): Promise<PipeState | undefined> {
    const measured = [...this.#consumers].filter(({ paused, producerPaused }) => !paused && !producerPaused);
    const chosen = measured.slice(0, maxMeasured);
    const [[transport], ...stats] = await Promise.all([
      this.transport.getStats(),
      ...chosen.map((consumer) => consumer.getStats()),
    ]);
    for (const [index, consumer] of chosen.entries()) {
      this.#bitrates.set(consumer, bitrateOf(stats[index]!));
      if (this.#consumers.delete(consumer)) this.#consumers.add(consumer);
    }
    const report = reportOf(
      chosen.map(({ rtpParameters }, index) => ({
        clockRate: rtpParameters.codecs[0]!.clockRate,
        streams: sentStreams(stats[index]!),
      })),
      transport!.sendBitrate,
    );
    if (!report) {
      if (this.#paused.size === 0) return undefined;
      // Nothing that is sent is reported on: only a trial shows whether the pipe has become wider.
      const estimate = this.#estimator.targetBitrate;
      await this.#apply(this.#shedder.update({ sent: 0, estimate, loss: 0, nowMs: this.now() }));
      return { sent: 0, estimate, pausedVideos: this.#paused.size };
    }
    this.#estimator.onFeedback(report);
    const [sent, estimate] = [report.sentBitrate, this.#estimator.targetBitrate];
    const { fractionLost: loss } = report;
    await this.#apply(this.#shedder.update({ sent, estimate, loss, nowMs: this.now() }));
    return { sent, estimate, pausedVideos: this.#paused.size };
  }

  async #apply(decision: 'pause' | 'resume' | undefined): Promise<void> {
    if (decision === 'pause') {
      // To pause one that carries nothing relieves nothing.
      const last = [...this.#videos].findLast(
        (each) => !each.paused && !each.producerPaused && (this.#bitrates.get(each) ?? 0) > 0,
      );
      if (!last) return;
      this.#paused.add(last);
      await last.pause();
    } else if (decision === 'resume') {
      const last = [...this.#paused].at(-1);
      if (!last) return;
      this.#paused.delete(last);
      await last.resume();
    }
  }
}

interface MeasuredConsumer {
  readonly clockRate: number;
  readonly streams: readonly RtpStreamSendStats[];
}

const sentStreams = (stats: Awaited<ReturnType<Consumer['getStats']>>): RtpStreamSendStats[] =>
  stats.filter(({ type }) => type === 'outbound-rtp');

const bitrateOf = (stats: Awaited<ReturnType<Consumer['getStats']>>): number =>
  sentStreams(stats).reduce((sum, { bitrate }) => sum + bitrate, 0);

/** The mean of the reports on streams that send, by their bit rates. Undefined if none has been reported on. */
function reportOf(consumers: readonly MeasuredConsumer[], sentBitrate: number): ReceiverReport | undefined {
  let [weights, lost, jitterMs, rttMs] = [0, 0, 0, 0];
  for (const { clockRate, streams } of consumers) {
    for (const { bitrate, fractionLost, jitter, roundTripTime } of streams) {
      // No round-trip time: no report yet.
      if (!(bitrate > 0) || !roundTripTime) continue;
      weights += bitrate;
      lost += (bitrate * fractionLost) / 256;
      jitterMs += (bitrate * jitter * 1000) / clockRate;
      rttMs += bitrate * roundTripTime;
    }
  }
  if (weights === 0) return undefined;
  return {
    kind: 'report',
    fractionLost: lost / weights,
    jitterMs: jitterMs / weights,
    rttMs: rttMs / weights,
    sentBitrate,
  };
}
