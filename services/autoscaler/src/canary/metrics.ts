import { type Canary, type CanaryComparison, type CanaryCrashes, CanaryPhase } from '@flotilla/contracts';
import { gauge } from '@flotilla/runtime';

const phases = gauge({
  name: 'flotilla_canary_phase',
  help: 'Phase of the canary of SFU nodes: 1 for the present one, else 0.',
  labelNames: ['phase'],
});
const share = gauge({
  name: 'flotilla_canary_share',
  help: 'Share of the joins that the observed candidate gets. 0 while none is observed.',
});
const excluded = gauge({
  name: 'flotilla_canary_excluded_versions',
  help: 'Versions whose nodes get no participants until an operator resets the canary.',
});
const samples = gauge({
  name: 'flotilla_canary_samples',
  help: 'Samples of the comparison by measure and side, stable or candidate.',
  labelNames: ['measure', 'side'],
});
const means = gauge({
  name: 'flotilla_canary_mean_cost',
  help: 'Mean cost by measure and side, 0 (best) to 1.',
  labelNames: ['measure', 'side'],
});
const crashes = gauge({
  name: 'flotilla_canary_crashes',
  help: 'Nodes and media workers that died during the observation, by side.',
  labelNames: ['side'],
});
const confidence = gauge({
  name: 'flotilla_canary_confidence',
  help: 'Confidence, 0 to 1, that the candidate is worse or as good, by measure: quality, loss, gap, crashes.',
  labelNames: ['measure', 'is'],
});

/** Sets the metrics of the canary, which only the leading autoscaler does. */
export function exportCanary(canary: Canary, comparisons: readonly CanaryComparison[], crashed: CanaryCrashes): void {
  for (const phase of CanaryPhase.options) phases.set({ phase }, Number(phase === canary.phase));
  share.set(canary.phase === 'observing' ? canary.share : 0);
  excluded.set(canary.excluded.length);
  for (const side of ['stable', 'candidate'] as const) {
    crashes.set({ side }, crashed[side].crashes);
    for (const { measure, ...each } of comparisons) {
      samples.set({ measure, side }, each[side].samples);
      means.set({ measure, side }, each[side].mean);
    }
  }
  for (const { measure, worse, asGood } of comparisons) {
    confidence.set({ measure, is: 'worse' }, worse);
    confidence.set({ measure, is: 'as_good' }, asGood);
  }
  confidence.set({ measure: 'crashes', is: 'worse' }, crashed.worse);
}

/** Removes what `exportCanary` has set: another autoscaler leads. */
export function resetCanaryMetrics(): void {
  for (const each of [phases, share, excluded, samples, means, crashes, confidence]) each.reset();
}
