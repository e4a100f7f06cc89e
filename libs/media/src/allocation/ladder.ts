import type { ConsumerLayers } from 'mediasoup/types';
import type { LayerCost } from './allocate.ts';
import type { TemporalBitrates } from './producer-bitrates.ts';

/** What a subscriber may be sent of a video. */
export interface Rung extends LayerCost {
  /** The highest layers to send. */
  readonly layers: ConsumerLayers;
}

/** A lowest frame rate is a step of its own when it saves at least this share of the bits. */
const minSaving = 0.1;

/**
 * The choices of layers of a video, the lowest first: the lowest spatial layer with its lowest frame rate, then spatial layers with all
 * frames. Layers that are not sent, and those above `highest`, are left out. A spatial layer has four times the pixels of the one below,
 * a temporal layer twice the frames; the value is the root of their product, as twice the pixels do not show twice as much.
 */
export function ladderOf(bitrates: readonly TemporalBitrates[], highest: ConsumerLayers | undefined): Rung[] {
  const rungs: Rung[] = [];
  const { spatialLayer: maxSpatial = Infinity, temporalLayer: maxTemporal = Infinity } = highest ?? {};
  for (const [spatialLayer, temporals] of bitrates.entries()) {
    const top = Math.min(temporals.length - 1, maxTemporal);
    const bps = temporals[top] ?? 0;
    // When a client wants a layer that is not sent, mediasoup sends the next lower one, or the lowest that there is.
    if (bps <= 0 || (spatialLayer > maxSpatial && rungs.length > 0)) continue;
    const value = 2 ** spatialLayer;
    const [lowest = 0] = temporals;
    if (rungs.length === 0 && top > 0 && lowest > 0 && lowest <= (1 - minSaving) * bps)
      rungs.push({ layers: { spatialLayer, temporalLayer: 0 }, bps: lowest, value: value * 2 ** (-top / 2) });
    const layers = { spatialLayer, ...(Number.isFinite(maxTemporal) && { temporalLayer: maxTemporal }) };
    // A layer that has just begun sends less than the one below for a moment.
    rungs.push({ layers, bps: Math.max(bps, rungs.at(-1)?.bps ?? 0), value });
  }
  return rungs;
}

/** Index of the highest rung that is not above these layers; the lowest when all are. */
export function rungAt(ladder: readonly Rung[], { spatialLayer, temporalLayer = Infinity }: ConsumerLayers): number {
  const at = ladder.findLastIndex(
    ({ layers }) =>
      layers.spatialLayer < spatialLayer ||
      (layers.spatialLayer === spatialLayer && (layers.temporalLayer ?? Infinity) <= temporalLayer),
  );
  return Math.max(0, at);
}
