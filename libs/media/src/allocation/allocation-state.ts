import { allocate, costOf, nextVideo, type WantedVideo } from './allocate.ts';

/** Times of an allocation, in milliseconds. */
export interface AllocationTimes {
  /** Time after a decrease before anything is increased. */
  readonly holdMs: number;
  /** Time between two increases: the next estimate has to confirm the one before. */
  readonly increaseEveryMs: number;
  /** Time without a decrease before a video is tried that the estimate does not allow; doubled by each trial that fails. */
  readonly trialAfterMs: number;
  readonly maxTrialAfterMs: number;
  /** Time in which the estimate has to confirm a trial. */
  readonly trialMs: number;
}

export const allocationTimes: AllocationTimes = {
  holdMs: 3000,
  increaseEveryMs: 900,
  trialAfterMs: 3000,
  maxTrialAfterMs: 60_000,
  trialMs: 3000,
};

/** The estimate may become larger by itself: trials wait for so many times as long. */
const uncappedFactor = 1.5;
/** A trial takes at most so many times the budget, unless nothing is sent. */
const maxTrialFactor = 2;

/** Unused share of the budget after an increase. Estimates that vary by up to 7 % change nothing. */
const margin = 0.15;
/** What is sent becomes at most so many times as much at once, or one video more: each resumed video begins with a key frame. */
const maxIncrease = 1.4;
/** A trial allows for bit rates that vary while it lasts. */
const trialTolerance = 1.25;
/**
 * The most important video stays while the budget is at least this share of it. Without any video mediasoup sends no probes, and the
 * estimate remains as low as it was.
 */
const keptFrom = 0.5;
/** A trial has failed when the estimate is below this share of what it was when the trial began. */
const failedBelow = 0.85;

export interface AllocationInput {
  /** bit/s for videos. */
  readonly budget: number;
  /** The estimate cannot become larger by itself: it is limited by what mediasoup desires. */
  readonly isCapped: boolean;
  readonly videos: readonly WantedVideo[];
  /** What the subscriber wants, or how important it is, has changed: videos are exchanged without waiting. */
  readonly isChanged: boolean;
  readonly nowMs: number;
}

interface Trial {
  readonly endsMs: number;
  /** Bit rate that is allowed for its time. */
  readonly bps: number;
  readonly budgetBefore: number;
}

/**
 * The allocation of one subscriber over time: down at once; up after a hold, with a margin, and one increase at a time. An estimate grows
 * slowly, or not at all, while less is sent: when nothing has changed for a time, one more video is tried.
 */
export class AllocationState {
  #decreasedMs = -Infinity;
  #increasedMs = -Infinity;
  /** Under way. */
  #trial: Trial | undefined;
  /** When the last trial began. */
  #triedMs = -Infinity;
  /** The last trial counts as failed. A video that is to be paused is still sent for a moment: its decrease is seen more than once. */
  #isFailed = false;
  #trialAfterMs: number;

  constructor(private readonly times: AllocationTimes = allocationTimes) {
    this.#trialAfterMs = times.trialAfterMs;
  }

  /** Returns for each video whether it is to be sent. */
  update({ budget: estimated, isCapped, videos, isChanged, nowMs }: AllocationInput): boolean[] {
    const budget = withMostImportant(estimated, videos);
    const { holdMs, increaseEveryMs } = this.times;
    const isHeld = nowMs - this.#decreasedMs < holdMs || nowMs - this.#increasedMs < increaseEveryMs;
    const allowed = Math.max(budget, this.#trialBudget(budget, nowMs));
    const sent = videos.map(({ isSent }) => isSent);
    const before = costOf(videos, sent);
    const increaseTo = Math.max(maxIncrease * before, costOf(videos, withNext(videos, sent)));
    const chosen = allocate(allowed, videos, { mayIncrease: isChanged || !isHeld, margin, increaseTo });
    const after = costOf(videos, chosen);
    if (after < before && before > allowed) this.#decreased(nowMs);
    else if (after > before) this.#increasedMs = nowMs;
    else if (!isHeld && !this.#trial && nowMs - this.#settledMs >= this.#trialAfterMs * (isCapped ? 1 : uncappedFactor))
      return this.#try(budget, videos, chosen, nowMs);
    return chosen;
  }

  /** Since when nothing has changed. */
  get #settledMs(): number {
    return Math.max(this.#decreasedMs, this.#triedMs);
  }

  /** Bit rate that a trial allows now. */
  #trialBudget(budget: number, nowMs: number): number {
    const trial = this.#trial;
    if (!trial) return 0;
    if (nowMs < trial.endsMs && budget >= failedBelow * trial.budgetBefore) return trial.bps;
    this.#trial = undefined;
    return 0;
  }

  #decreased(nowMs: number): void {
    this.#decreasedMs = nowMs;
    this.#trial = undefined;
    const { trialMs, trialAfterMs, maxTrialAfterMs } = this.times;
    if (nowMs - this.#triedMs >= 2 * trialMs) this.#trialAfterMs = trialAfterMs;
    else if (!this.#isFailed) {
      this.#isFailed = true;
      this.#trialAfterMs = Math.min(2 * this.#trialAfterMs, maxTrialAfterMs);
    }
  }

  #try(budget: number, videos: readonly WantedVideo[], chosen: boolean[], nowMs: number): boolean[] {
    const tried = withNext(videos, chosen);
    const cost = costOf(videos, tried);
    const isTooMuch = chosen.includes(true) && cost > maxTrialFactor * budget;
    if (!tried.some((isSent, at) => isSent !== chosen[at]) || isTooMuch) return chosen;
    this.#trial = { endsMs: nowMs + this.times.trialMs, bps: trialTolerance * cost, budgetBefore: budget };
    this.#triedMs = nowMs;
    this.#isFailed = false;
    return tried;
  }
}

/** A choice with the most important video that it leaves out. */
function withNext(videos: readonly WantedVideo[], chosen: readonly boolean[]): boolean[] {
  const next = nextVideo(videos, chosen);
  return next === undefined ? [...chosen] : chosen.with(next, true);
}

/** A budget that has a part of what the most important video needs has all of it. Videos with layers that are more important make it unnecessary. */
function withMostImportant(budget: number, videos: readonly WantedVideo[]): number {
  const first = nextVideo(
    videos,
    videos.map(() => false),
  );
  const { bps, ahead } = videos[first ?? -1] ?? { bps: 0, ahead: 0 };
  return ahead === 0 && budget >= keptFrom * bps ? Math.max(budget, bps) : budget;
}
