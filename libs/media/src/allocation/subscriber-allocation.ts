import type { Source } from '@flotilla/contracts';
import { gauge } from '@flotilla/runtime';
import type { Consumer, ConsumerLayers, Producer, Transport, TransportTraceEventData } from 'mediasoup/types';
import type { LayerAllocator } from '../layer-allocator.ts';
import { costOf, paused, type WantedVideo } from './allocate.ts';
import { AllocationState, type AllocationTimes } from './allocation-state.ts';
import { ladderOf, type Rung, rungAt } from './ladder.ts';
import { type ProducerBitrates, producerBitrates } from './producer-bitrates.ts';

/** Interval of allocations while a subscriber is short of bandwidth, in milliseconds. */
const everyMs = 1000;
/** Least time between two allocations of a subscriber, in milliseconds. */
const minGapMs = 300;
/** Time after the first estimate in which it grows by probes, and mediasoup alone allocates, in milliseconds. */
const settleMs = 3000;
/** A video that mediasoup sends no layer of counts as paused for bandwidth after this time, in milliseconds: key frames take a moment. */
const withoutLayersMs = 2000;
/** A video without a share is paused after this time: an estimate may be low for a moment when a machine was busy. Longer, and a queue fills. */
const pauseAfterMs = 600;
/** Share of the estimate that is allocated: retransmissions and RTCP use some, and mediasoup compares with bit rates of its own. */
const usableShare = 0.95;
/** While mediasoup desires less than this share of the estimate, nothing is measured. */
const plentyShare = 0.75;
/** While the last allocation needed less than this share of the estimate, nothing is measured, for a time. */
const fittingShare = 0.8;
const fittingForMs = 10_000;
/** An estimate of this share of its maximum is limited by what is sent. */
const cappedShare = 0.9;
/** An estimate that fell below this share of the one that was allocated is allocated at once. */
const fellBelow = 0.85;

/** Importance of a screen, and of the active speaker, as a factor of the priority that the client chose. */
const screenFactor = 4;
const speakerFactor = 2;

const limitedVideos = gauge({
  name: 'sfu_videos_paused_for_bandwidth',
  help: 'Videos that are not sent to a subscriber because its downlink is too narrow.',
});

/** What a consumer is of. */
export interface ConsumerOrigin {
  readonly publicationId: string;
  readonly participantId: string;
  readonly source: Source;
  /** The producer in the consumer's router. */
  readonly producer: Producer;
}

/** mediasoup's estimate of a transport, bit/s. */
interface Estimate {
  readonly available: number;
  /** Sum of the highest layers of all videos that are not paused. */
  readonly desired: number;
  /** The estimate is limited to this, by what is desired. */
  readonly max: number;
}

interface Entry extends ConsumerOrigin {
  readonly consumer: Consumer;
  /** Paused by the client. */
  isPausedByClient: boolean;
  /** The highest layers that the allocation allows. Undefined: those that the client wants. */
  cap: ConsumerLayers | undefined;
  /** Since when the allocation has had nothing for it, by `now`. */
  withoutShareMs: number | undefined;
  /** Paused for bandwidth. */
  isLimited: boolean;
  /** Importance, and layers that the client wants, at the last allocation. */
  last: { readonly importance: number; readonly wish: string } | undefined;
}

export interface SubscriberAllocationOptions {
  /** The subscriber's transport. Without transport-wide feedback it has no estimate, and nothing is allocated. */
  readonly transport: Transport;
  readonly layers: LayerAllocator;
  /** Whether a participant is the active speaker, or was shortly before. */
  readonly isActiveSpeaker: (participantId: string) => boolean;
  /** Called with all publications that are paused for bandwidth when they are others than before. */
  readonly onLimited: (publicationIds: readonly string[]) => void;
  /**
   * Whether it shares out the layers of simulcast and SVC as well. Default: mediasoup does that, and does it better (docs/bandwidth.md);
   * it cannot do without a video in one stream, which it sends in any case.
   */
  readonly allocatesLayers?: boolean;
  readonly bitrates?: ProducerBitrates;
  readonly now?: () => number;
  readonly times?: AllocationTimes;
}

/**
 * Decides which videos a subscriber can be sent by mediasoup's estimate, and pauses those that have no share; audio comes first. Layers of
 * simulcast and SVC are shared out by mediasoup; of these it reports the videos that are sent no layer. What the client wants stays apart
 * from what the allocation allows; the lower of both applies.
 *
 * Without scarcity it measures nothing: mediasoup reports an estimate when it changes, at most once a second unless by a lot, and that
 * suffices to tell.
 */
export class SubscriberAllocation {
  readonly #entries = new Map<Consumer, Entry>();
  readonly #options: SubscriberAllocationOptions;
  readonly #bitrates: ProducerBitrates;
  readonly #now: () => number;
  readonly #state: AllocationState;
  #estimate: Estimate | undefined;
  #firstEstimateMs = 0;
  #isTracing = false;
  #isShort = false;
  #isRunning = false;
  #isChanged = false;
  /** What the last allocation needed with nothing left out, bit/s, and what it was allowed. */
  #last = { need: Infinity, available: 0, atMs: -Infinity };
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Infinity;
  #limited = '';
  #closed = false;

  constructor(options: SubscriberAllocationOptions) {
    this.#options = options;
    this.#bitrates = options.bitrates ?? producerBitrates;
    this.#now = options.now ?? (() => performance.now());
    this.#state = new AllocationState(options.times);
  }

  /** A consumer was created. */
  add(consumer: Consumer, origin: ConsumerOrigin): void {
    const { publicationId, participantId, source, producer } = origin;
    const entry: Entry = {
      ...{ publicationId, participantId, source, producer, consumer },
      isPausedByClient: consumer.paused,
      cap: undefined,
      withoutShareMs: undefined,
      isLimited: false,
      last: undefined,
    };
    this.#entries.set(consumer, entry);
    consumer.observer.once('close', () => {
      this.#entries.delete(consumer);
      if (entry.isLimited) limitedVideos.dec();
      this.#reportLimited();
      this.changed();
    });
    if (consumer.kind !== 'video') return;
    consumer.on('producerresume', () => this.changed());
    this.#trace();
    this.changed();
  }

  /** The client pauses a consumer, or resumes it: then it is sent unless it is paused for bandwidth. */
  async setPaused(consumer: Consumer, isPaused: boolean): Promise<void> {
    const entry = this.#entries.get(consumer);
    if (entry) {
      entry.isPausedByClient = isPaused;
      if (isPaused) this.#release(entry);
    }
    if (isPaused) await consumer.pause();
    else if (!entry?.isLimited) await consumer.resume();
    this.changed();
  }

  /** Whether the client has paused a consumer itself. */
  isPausedByClient(consumer: Consumer): boolean {
    return this.#entries.get(consumer)?.isPausedByClient ?? consumer.paused;
  }

  /** Something that decides about the allocation has changed: settings of a subscription, or the active speaker. */
  changed(): void {
    if (!this.#estimate || this.#closed) return;
    this.#isChanged = true;
    if (this.#isShort || this.#estimate.desired > plentyShare * this.#estimate.available) this.#schedule(minGapMs);
  }

  #trace(): void {
    if (this.#isTracing) return;
    this.#isTracing = true;
    const { transport } = this.#options;
    transport.on('trace', (event) => this.#onTrace(event));
    transport.enableTraceEvent(['bwe']).catch(() => undefined);
  }

  #onTrace({ type, info }: TransportTraceEventData): void {
    if (type !== 'bwe' || this.#closed) return;
    const { availableBitrate, desiredBitrate, maxBitrate } = info as Record<string, number>;
    if (availableBitrate === undefined || desiredBitrate === undefined || maxBitrate === undefined) return;
    const nowMs = this.#now();
    if (!this.#estimate) this.#firstEstimateMs = nowMs;
    this.#estimate = { available: availableBitrate, desired: desiredBitrate, max: maxBitrate };
    const { need, available, atMs } = this.#last;
    if (this.#isShort) {
      if (availableBitrate < fellBelow * available) this.#schedule(0);
      return;
    }
    const isPlenty = desiredBitrate <= plentyShare * availableBitrate;
    const isFitting = need <= fittingShare * availableBitrate && nowMs - atMs < fittingForMs;
    if (!isPlenty && (!isFitting || this.#isChanged)) this.#schedule(0);
  }

  /** Allocates in this time at the latest, and not before the least gap or while the first estimate grows. */
  #schedule(inMs: number): void {
    const nowMs = this.#now();
    const dueMs = Math.max(nowMs + inMs, this.#last.atMs + minGapMs, this.#firstEstimateMs + settleMs);
    if (this.#closed || dueMs >= this.#dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => void this.#run(), dueMs - nowMs);
    this.#timer.unref();
  }

  async #run(): Promise<void> {
    this.#dueMs = Infinity;
    // It schedules the next one itself.
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      await this.#allocate();
    } finally {
      this.#isRunning = false;
    }
    const isPausing = [...this.#entries.values()].some(
      (entry) => entry.withoutShareMs !== undefined && !entry.isLimited,
    );
    if (this.#isShort || this.#isChanged) this.#schedule(isPausing ? pauseAfterMs : everyMs);
  }

  #isSending({ consumer, isPausedByClient }: Entry): boolean {
    return !consumer.closed && !consumer.producerPaused && !isPausedByClient;
  }

  async #allocate(): Promise<void> {
    const entries = [...this.#entries.values()].filter((entry) => this.#isSending(entry));
    this.#isChanged = false;
    const measured = await Promise.all(
      entries.map(async (entry) => ({ entry, bitrates: await this.#bitrates.of(entry.producer) })),
    );
    if (this.#closed || !this.#estimate) return;
    let audio = 0;
    let isChanged = false;
    const videos: (WantedVideo & { readonly entry: Entry; readonly ladder: readonly Rung[] })[] = [];
    for (const { entry, bitrates } of measured) {
      if (!this.#isSending(entry)) continue;
      const { consumer, participantId, source, cap, last } = entry;
      if (consumer.kind === 'audio') {
        audio += bitrates[0]?.at(-1) ?? 0;
        continue;
      }
      const highest = this.#options.layers.maximumOf(consumer);
      const ladder = ladderOf(bitrates, highest).slice(0, this.#options.allocatesLayers ? undefined : 1);
      // Nothing is sent yet, or any more.
      if (ladder.length === 0) continue;
      const top = ladder.length - 1;
      const importance =
        consumer.priority *
        (source === 'screen' ? screenFactor : 1) *
        (this.#options.isActiveSpeaker(participantId) ? speakerFactor : 1);
      const wish = JSON.stringify(highest ?? {});
      if (!last || importance > last.importance || wish !== last.wish) isChanged = true;
      entry.last = { importance, wish };
      // One that is about to be paused is still sent.
      const current = entry.isLimited ? paused : cap ? rungAt(ladder, cap) : top;
      videos.push({ importance, layers: ladder, current, entry, ladder });
    }
    const { available, max } = this.#estimate;
    const nowMs = this.#now();
    const tops = videos.map(({ layers }) => layers.length - 1);
    this.#last = { need: audio + costOf(videos, tops), available, atMs: nowMs };
    const chosen = this.#state.update({
      budget: Math.max(0, usableShare * available - audio),
      isCapped: available >= cappedShare * max || videos.every(({ current }) => current === paused),
      ...{ videos, isChanged, nowMs },
    });
    this.#isShort = chosen.some((layer, at) => layer < tops[at]! || videos[at]!.entry.isLimited);
    const probing = chosen.every((layer) => layer === paused) ? this.#mostImportantLayered(videos) : undefined;
    for (const [at, { entry, ladder }] of videos.entries())
      this.#apply(entry, ladder, chosen[at]!, nowMs, entry === probing);
    this.#reportLimited();
  }

  /**
   * @param isProbing the consumer remains active without a share: mediasoup sends it no layers, but probes for them. Without an active
   *   video the estimate would remain as low as it is.
   */
  #apply(entry: Entry, ladder: readonly Rung[], layer: number, nowMs: number, isProbing: boolean): void {
    const { consumer } = entry;
    const isLimited = this.#options.allocatesLayers && layer < ladder.length - 1;
    const cap = isLimited ? ladder[Math.max(0, layer)]!.layers : undefined;
    if (JSON.stringify(cap) !== JSON.stringify(entry.cap)) {
      entry.cap = cap;
      this.#options.layers.setCap(consumer, cap);
    }
    const isShared = !this.#options.allocatesLayers && consumer.type !== 'simple';
    if (isShared) return this.#applyShared(entry, nowMs);
    if (layer !== paused) {
      entry.withoutShareMs = undefined;
      if (!entry.isLimited) return;
      this.#setLimited(entry, false);
      consumer.resume().catch(() => undefined);
      this.#options.layers.reallocate();
      return;
    }
    entry.withoutShareMs ??= nowMs;
    if (!entry.isLimited && nowMs - entry.withoutShareMs < pauseAfterMs) return;
    this.#setLimited(entry, true);
    if (consumer.paused !== isProbing) return;
    (isProbing ? consumer.resume() : consumer.pause()).catch(() => undefined);
  }

  /** mediasoup shares out the layers of this video: it is known by them whether any is sent. */
  #applyShared(entry: Entry, nowMs: number): void {
    if (entry.consumer.currentLayers) entry.withoutShareMs = undefined;
    else entry.withoutShareMs ??= nowMs;
    this.#setLimited(entry, entry.withoutShareMs !== undefined && nowMs - entry.withoutShareMs >= withoutLayersMs);
  }

  #mostImportantLayered(videos: readonly { readonly entry: Entry; readonly importance: number }[]): Entry | undefined {
    return videos
      .filter(({ entry }) => entry.consumer.type !== 'simple')
      .toSorted((one, other) => other.importance - one.importance)[0]?.entry;
  }

  #setLimited(entry: Entry, isLimited: boolean): void {
    if (entry.isLimited === isLimited) return;
    entry.isLimited = isLimited;
    limitedVideos.inc(isLimited ? 1 : -1);
  }

  /** A consumer that the client has paused is not limited. */
  #release(entry: Entry): void {
    entry.withoutShareMs = undefined;
    entry.last = undefined;
    if (entry.cap) this.#options.layers.setCap(entry.consumer, undefined);
    entry.cap = undefined;
    this.#setLimited(entry, false);
    this.#reportLimited();
  }

  /** Publications that are paused for bandwidth. */
  get limitedIds(): string[] {
    return [...this.#entries.values()].filter(({ isLimited }) => isLimited).map(({ publicationId }) => publicationId);
  }

  #reportLimited(): void {
    const ids = this.limitedIds;
    const key = ids.toSorted().join();
    if (key === this.#limited || this.#closed) return;
    this.#limited = key;
    this.#options.onLimited(ids);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { isLimited } of this.#entries.values()) if (isLimited) limitedVideos.dec();
    this.#entries.clear();
  }
}
