/** A layer of a video, or a step on the way to it. */
export interface LayerCost {
  /** Bit rate with this layer and those below it, bit/s. */
  readonly bps: number;
  /** How much it shows: pixels and frames per second as one number, larger than that of the layer below. */
  readonly value: number;
}

/** A video that a subscriber wants. */
export interface WantedVideo {
  /** Larger is more important. Above 0. */
  readonly importance: number;
  /** Its layers up to the wanted one, the lowest first. At least one. */
  readonly layers: readonly LayerCost[];
  /** Index of the layer that is sent; `paused` for none. */
  readonly current: number;
}

/** In place of a layer's index: nothing is sent. */
export const paused = -1;

/** One video gets one more layer. */
interface Step {
  readonly video: number;
  readonly layer: number;
  readonly bps: number;
}

export interface AllocationOptions {
  /** Whether a video may get more than it has. */
  readonly mayIncrease: boolean;
  /** Share of the budget that stays unused by an increase, so that the next estimates may be lower. */
  readonly margin: number;
  /** Bit rate up to which a choice may increase what is sent, bit/s. Default: the budget. */
  readonly increaseTo?: number;
}

/**
 * Chooses a layer of each video so that their sum is within a budget: the lowest layers in the order of importance, then further ones
 * by importance and value per bit. What does not fit is left out, and smaller steps behind it are taken. Videos of the same importance
 * keep their order: the last is paused first.
 *
 * What is sent stays as it is while it fits, unless a better choice fits with the margin. Above the budget the least important steps are
 * taken away. O(n log n) for n layers.
 *
 * @param budget bit/s.
 * @returns the index of a layer, or `paused`, for each video.
 */
export function allocate(
  budget: number,
  videos: readonly WantedVideo[],
  { mayIncrease, margin, increaseTo = Infinity }: AllocationOptions,
): number[] {
  const steps = stepsOf(videos);
  const wanted = videos.map(({ layers }) => layers.length - 1);
  const current = videos.map((video, at) => Math.min(video.current, wanted[at]!));
  const kept = costOf(videos, current) <= budget ? current : choose(steps, budget, current);
  if (!mayIncrease) return kept;
  const better = choose(steps, Math.min(increaseTo, budget / (1 + margin)), wanted);
  return isBetter(steps, better, kept) ? better : kept;
}

/** The first step that is not taken, in the order in which `allocate` takes them. */
export function nextStep(videos: readonly WantedVideo[], chosen: readonly number[]): Step | undefined {
  return stepsOf(videos).find(({ video, layer }) => layer === chosen[video]! + 1);
}

/** Bit rate of a choice, bit/s. */
export function costOf(videos: readonly WantedVideo[], chosen: readonly number[]): number {
  return videos.reduce((sum, { layers }, at) => sum + (layers[chosen[at]!]?.bps ?? 0), 0);
}

/** All steps in the order in which they are taken. */
function stepsOf(videos: readonly WantedVideo[]): Step[] {
  const first = [...videos.keys()]
    .sort((one, other) => videos[other]!.importance - videos[one]!.importance || one - other)
    .map((video): Step => ({ video, layer: 0, bps: videos[video]!.layers[0]!.bps }));
  const further: (Step & { readonly worth: number })[] = [];
  for (const [video, { importance, layers }] of videos.entries()) {
    // A layer is never taken before the one below: its worth per bit counts for no more.
    let worth = Infinity;
    for (let layer = 1; layer < layers.length; layer++) {
      const [below, own] = [layers[layer - 1]!, layers[layer]!];
      const bps = own.bps - below.bps;
      worth = Math.min(worth, (importance * (own.value - below.value)) / Math.max(1, bps));
      further.push({ video, layer, bps, worth });
    }
  }
  further.sort((one, other) => other.worth - one.worth || one.video - other.video || one.layer - other.layer);
  return [...first, ...further];
}

/** Takes each step that fits, up to a highest layer of each video. */
function choose(steps: readonly Step[], budget: number, highest: readonly number[]): number[] {
  const chosen = highest.map(() => paused);
  let left = budget;
  for (const { video, layer, bps } of steps) {
    if (layer > highest[video]! || chosen[video] !== layer - 1 || bps > left) continue;
    chosen[video] = layer;
    left -= bps;
  }
  return chosen;
}

/** Whether the first step that only one of two choices has belongs to the first choice. */
function isBetter(steps: readonly Step[], one: readonly number[], other: readonly number[]): boolean {
  const differing = steps.find(({ video, layer }) => layer <= one[video]! !== layer <= other[video]!);
  return differing !== undefined && differing.layer <= one[differing.video]!;
}
