/** A video in one stream that a subscriber wants. */
export interface WantedVideo {
  /** Larger is more important. Above 0. */
  readonly importance: number;
  /** bit/s. */
  readonly bps: number;
  /** Bit rate of the lowest layers of more important videos whose layers mediasoup shares out, bit/s: these come first. */
  readonly ahead: number;
  /** Whether it is sent now. */
  readonly isSent: boolean;
}

export interface AllocationOptions {
  /** Whether a video may be sent that is not. */
  readonly mayIncrease: boolean;
  /** Share of the budget that stays unused by an increase, so that the next estimates may be lower. */
  readonly margin: number;
  /** Cost up to which a choice may increase what is sent, bit/s. Default: the budget. */
  readonly increaseTo?: number;
}

/**
 * Chooses videos whose cost is within a budget, in the order of importance. What does not fit is left out, and smaller videos behind it are
 * taken. Videos of the same importance keep their order: the last is left out first.
 *
 * What is sent stays as it is while it fits, unless a better choice fits with the margin. O(n log n) for n videos.
 *
 * @param budget bit/s.
 * @returns for each video whether it is to be sent.
 */
export function allocate(
  budget: number,
  videos: readonly WantedVideo[],
  { mayIncrease, margin, increaseTo = Infinity }: AllocationOptions,
): boolean[] {
  const order = orderOf(videos);
  const kept = choose(
    order.filter((at) => videos[at]!.isSent),
    budget,
    videos,
  );
  if (!mayIncrease) return kept;
  const better = choose(order, Math.min(increaseTo, budget / (1 + margin)), videos);
  // The more important one of the videos that only one of both choices has decides.
  const differing = order.find((at) => better[at] !== kept[at]);
  return differing !== undefined && better[differing] ? better : kept;
}

/** The most important video that is not chosen. */
export function nextVideo(videos: readonly WantedVideo[], chosen: readonly boolean[]): number | undefined {
  return orderOf(videos).find((at) => !chosen[at]);
}

/** Budget that a choice needs, bit/s: its bit rate, and that of what comes before its least important video. */
export function costOf(videos: readonly WantedVideo[], chosen: readonly boolean[]): number {
  const sent = videos.filter((_, at) => chosen[at]);
  return sent.reduce((sum, { bps }) => sum + bps, 0) + sent.reduce((most, { ahead }) => Math.max(most, ahead), 0);
}

/** Indices, the most important video first. */
function orderOf(videos: readonly WantedVideo[]): number[] {
  return [...videos.keys()].sort((one, other) => videos[other]!.importance - videos[one]!.importance || one - other);
}

/** Takes each video that fits. */
function choose(order: readonly number[], budget: number, videos: readonly WantedVideo[]): boolean[] {
  const chosen = videos.map(() => false);
  let used = 0;
  for (const at of order) {
    const { bps, ahead } = videos[at]!;
    if (used + bps + ahead > budget) continue;
    chosen[at] = true;
    used += bps;
  }
  return chosen;
}
