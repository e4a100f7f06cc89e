import { allocate, costOf, nextStep, paused, type WantedVideo } from './allocate.ts';

/** Times of an allocation, in milliseconds. */
export interface AllocationTimes {
  /** Time after a decrease before anything is increased. */
  readonly holdMs: number;
  /** Time between two increases: the next estimate has to confirm the one before. */
  readonly increaseEveryMs: number;
  /** Time without a decrease before a step is tried that the estimate does not allow; doubled by each trial that fails. */
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
/** What is sent becomes at most so many times as much at once, or one step more: each resumed video begins with a key frame. */
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
 * slowly, or not at all, while less is sent: when nothing has changed for a time, one more step is tried.
 */
export class AllocationState {
  #decreasedMs = -Infinity;
  #increasedMs = -Infinity;
  #trial: Trial | undefined;
  /** When the last trial began. */
  #triedMs = -Infinity;
  #trialAfterMs: number;

  constructor(private readonly times: AllocationTimes = allocationTimes) {
    this.#trialAfterMs = times.trialAfterMs;
  }

  /** Returns the index of a layer, or `paused`, for each video. */
  update({ budget: estimated, isCapped, videos, isChanged, nowMs }: AllocationInput): number[] {
    const lowest =
      nextStep(
        videos,
        videos.map(() => paused),
      )?.bps ?? 0;
    const budget = estimated >= keptFrom * lowest ? Math.max(estimated, lowest) : estimated;
    const { holdMs, increaseEveryMs } = this.times;
    const isHeld = nowMs - this.#decreasedMs < holdMs || nowMs - this.#increasedMs < increaseEveryMs;
    const allowed = Math.max(budget, this.#trialBudget(budget, nowMs));
    const before = costOf(videos, currentOf(videos));
    const increaseTo = Math.max(maxIncrease * before, before + (nextStep(videos, currentOf(videos))?.bps ?? 0), lowest);
    let chosen = allocate(allowed, videos, { mayIncrease: isChanged || !isHeld, margin, increaseTo });
    const after = costOf(videos, chosen);
    if (after < before && before > allowed) this.#decreased(nowMs);
    else if (after > before) this.#increasedMs = nowMs;
    else if (!isHeld && !this.#trial && nowMs - this.#settledMs >= this.#trialAfterMs * (isCapped ? 1 : uncappedFactor))
      chosen = this.#try(budget, videos, chosen, nowMs);
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
    const isFailed = nowMs - this.#triedMs < 2 * trialMs;
    this.#trialAfterMs = isFailed ? Math.min(2 * this.#trialAfterMs, maxTrialAfterMs) : trialAfterMs;
  }

  #try(budget: number, videos: readonly WantedVideo[], chosen: readonly number[], nowMs: number): number[] {
    const step = nextStep(videos, chosen);
    const tried = step && chosen.with(step.video, step.layer);
    const isTooMuch = costOf(videos, chosen) > 0 && tried && costOf(videos, tried) > maxTrialFactor * budget;
    if (!tried || isTooMuch) return [...chosen];
    this.#trial = {
      endsMs: nowMs + this.times.trialMs,
      bps: trialTolerance * costOf(videos, tried),
      budgetBefore: budget,
    };
    this.#triedMs = nowMs;
    return tried;
  }
}

const currentOf = (videos: readonly WantedVideo[]): number[] =>
  videos.map(({ current, layers }) => Math.min(current, layers.length - 1));
