import type { Source } from '@flotilla/contracts';
import { gauge } from '@flotilla/runtime';
import type { Consumer, Producer, Transport, TransportTraceEventData } from 'mediasoup/types';
import type { LayerAllocator } from '../layer-allocator.ts';
import type { WantedVideo } from './allocate.ts';
import { AllocationState, type AllocationTimes } from './allocation-state.ts';
import { type ProducerBitrates, producerBitrates, type TemporalBitrates } from './producer-bitrates.ts';

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
  /** Since when the allocation has had nothing for it, or mediasoup has sent no layer of it, by `now`. */
  withoutShareMs: number | undefined;
  /** Paused for bandwidth. */
  isLimited: boolean;
  /** At the last allocation. Undefined: it had nothing to send. */
  importance: number | undefined;
}

export interface SubscriberAllocationOptions {
  /** The subscriber's transport. Without transport-wide feedback it has no estimate, and nothing is allocated. */
  readonly transport: Transport;
  readonly layers: Pick<LayerAllocator, 'reallocate'>;
  /** Whether a participant is the active speaker, or was shortly before. */
  readonly isActiveSpeaker: (participantId: string) => boolean;
  /** Called with all publications that are paused for bandwidth when they are others than before. */
  readonly onLimited: (publicationIds: readonly string[]) => void;
  readonly bitrates?: ProducerBitrates;
  readonly now?: () => number;
  readonly times?: AllocationTimes;
}

/**
 * Decides which videos in one stream a subscriber can be sent by mediasoup's estimate, and pauses those that have no share; audio comes
 * first, and the lowest layers of more important videos. Layers of simulcast and SVC are shared out by mediasoup; of these it reports the
 * videos that are sent no layer. A pause by the client stays apart from one for bandwidth: neither resumes the other.
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
      withoutShareMs: undefined,
      isLimited: false,
      importance: undefined,
    };
    this.#entries.set(consumer, entry);
    consumer.observer.once('close', () => {
      this.#entries.delete(consumer);
      this.#setLimited(entry, false);
      this.#reportLimited();
      this.changed();
    });
    if (consumer.kind !== 'video') return;
    consumer.on('producerresume', () => this.changed());
    consumer.on('producerpause', () => this.#release(entry));
    if (isShared(entry))
      consumer.on('layerschange', (layers) => {
        if (layers) this.#release(entry);
      });
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

  /** The active speaker is another one. That alone makes no subscriber short. */
  speakerChanged(): void {
    if (this.#isShort) this.changed();
  }

  /** Something that decides about the allocation has changed, such as settings of a subscription. */
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
    if (!this.#isShort && !this.#isChanged) return;
    const isPausing = [...this.#entries.values()].some(
      (entry) => entry.withoutShareMs !== undefined && !entry.isLimited && !isShared(entry),
    );
    this.#schedule(isPausing ? pauseAfterMs : everyMs);
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
    let [audio, need] = [0, 0];
    const videos: MeasuredVideo[] = [];
    for (const { entry, bitrates } of measured) {
      if (!this.#isSending(entry)) continue;
      const bps = isShared(entry) ? lowestOf(bitrates) : highestOf(bitrates);
      if (entry.consumer.kind === 'audio') audio += bps;
      else if (bps > 0) videos.push({ entry, bps, importance: this.#importanceOf(entry) });
      // Nothing is sent yet, or any more, such as after a pause at a pipe. What it needs when it sends again is not known.
      else if (this.#release(entry)) need = Infinity;
    }
    need += audio + videos.reduce((sum, { bps }) => sum + bps, 0);
    const { available, max } = this.#estimate;
    const nowMs = this.#now();
    this.#last = { need, available, atMs: nowMs };
    const { single = [], shared = [] } = Object.groupBy(videos, ({ entry }) => (isShared(entry) ? 'shared' : 'single'));
    const isChanged = single.some(({ entry, importance }) => importance > (entry.importance ?? 0));
    for (const { entry, importance } of videos) entry.importance = importance;
    const chosen = this.#state.update({
      budget: Math.max(0, usableShare * available - audio),
      isCapped: available >= cappedShare * max || videos.every(({ entry }) => entry.isLimited),
      videos: wantedOf(single, shared),
      ...{ isChanged, nowMs },
    });
    for (const { entry } of shared) this.#applyShared(entry, nowMs);
    for (const [at, { entry }] of single.entries()) this.#apply(entry, chosen[at]!, nowMs);
    this.#isShort = [...this.#entries.values()].some(({ withoutShareMs }) => withoutShareMs !== undefined);
    this.#reportLimited();
  }

  #importanceOf({ consumer, participantId, source }: Entry): number {
    const isSpeaker = this.#options.isActiveSpeaker(participantId);
    return consumer.priority * (source === 'screen' ? screenFactor : 1) * (isSpeaker ? speakerFactor : 1);
  }

  #apply(entry: Entry, isSent: boolean, nowMs: number): void {
    if (isSent) {
      this.#resume(entry);
      return;
    }
    const { consumer } = entry;
    entry.withoutShareMs ??= nowMs;
    if (!entry.isLimited && nowMs - entry.withoutShareMs < pauseAfterMs) return;
    this.#setLimited(entry, true);
    if (!consumer.paused) consumer.pause().catch(() => undefined);
  }

  /** mediasoup shares out the layers of this video: it is known by them whether any is sent. */
  #applyShared(entry: Entry, nowMs: number): void {
    if (entry.consumer.currentLayers) entry.withoutShareMs = undefined;
    else entry.withoutShareMs ??= nowMs;
    this.#setLimited(entry, entry.withoutShareMs !== undefined && nowMs - entry.withoutShareMs >= withoutLayersMs);
  }

  #setLimited(entry: Entry, isLimited: boolean): void {
    if (entry.isLimited === isLimited) return;
    entry.isLimited = isLimited;
    limitedVideos.inc(isLimited ? 1 : -1);
  }

  /** A video is sent, unless its client has paused it. */
  #resume(entry: Entry): void {
    const { consumer, isLimited, isPausedByClient } = entry;
    entry.withoutShareMs = undefined;
    this.#setLimited(entry, false);
    if (!isLimited || isPausedByClient || isShared(entry)) return;
    consumer.resume().catch(() => undefined);
    this.#options.layers.reallocate();
  }

  /**
   * A video has nothing to be decided about: it is muted, it sends nothing, its client has paused it, or it is sent layers again. It must not
   * stay paused for bandwidth, as mediasoup desires nothing for paused consumers: nothing would resume it.
   *
   * @returns whether it was paused for bandwidth.
   */
  #release(entry: Entry): boolean {
    const { isLimited } = entry;
    this.#resume(entry);
    entry.importance = undefined;
    if (isLimited) this.#reportLimited();
    return isLimited;
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
    // Their consumers are closed later.
    for (const entry of this.#entries.values()) this.#setLimited(entry, false);
    this.#entries.clear();
  }
}

/** A video that is sent something. */
interface MeasuredVideo {
  readonly entry: Entry;
  /** bit/s; of its lowest layer when mediasoup shares out its layers. */
  readonly bps: number;
  readonly importance: number;
}

/** mediasoup shares out the layers of simulcast and SVC. */
const isShared = ({ consumer: { kind, type } }: Entry): boolean => kind === 'video' && type !== 'simple';

/** The more important ones of the videos whose layers are shared out come before each of the others. */
function wantedOf(single: readonly MeasuredVideo[], shared: readonly MeasuredVideo[]): WantedVideo[] {
  return single.map(({ entry, bps, importance }) => ({
    ...{ importance, bps, isSent: !entry.isLimited },
    ahead: shared.reduce((sum, other) => sum + (other.importance > importance ? other.bps : 0), 0),
  }));
}

const highestOf = (bitrates: readonly TemporalBitrates[]): number => Math.max(0, ...bitrates.flat());
const lowestOf = (bitrates: readonly TemporalBitrates[]): number => bitrates.flat().find((bps) => bps > 0) ?? 0;
