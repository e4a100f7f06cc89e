import { ArticleEstimator, type BandwidthEstimator, type BitrateBounds, GccEstimator } from '@flotilla/bandwidth';
import type { FeedbackKind } from './flow.ts';
import type { Trace } from './traces.ts';

/** Bounds of every run, bit/s. */
export const bounds: BitrateBounds = { min: 50_000, start: 300_000, max: 10_000_000 };

/** An estimator with the feedback that it gets. */
export interface Contender {
  readonly name: 'gcc' | 'gcc, reports' | 'article' | 'oracle';
  readonly feedback: FeedbackKind;
  readonly create: (trace: Trace, now: () => number) => BandwidthEstimator;
}

/** Share of the capacity that the oracle uses, so that its queue stays short. */
const oracleShare = 0.97;

/** Reads the trace, what no estimator can: the bound on what is possible. */
function oracle({ capacity, share = () => 1 }: Trace, now: () => number): BandwidthEstimator {
  return {
    get targetBitrate() {
      return Math.min(bounds.max, oracleShare * capacity(now()) * share(now()));
    },
    state: 'hold',
    onFeedback: () => undefined,
    takeProbe: () => undefined,
  };
}

export const contenders: readonly Contender[] = [
  { name: 'gcc', feedback: 'packets', create: (_trace, now) => new GccEstimator({ bounds, now }) },
  { name: 'gcc, reports', feedback: 'report', create: (_trace, now) => new GccEstimator({ bounds, now }) },
  { name: 'article', feedback: 'report', create: (_trace, now) => new ArticleEstimator({ bounds, now }) },
  { name: 'oracle', feedback: 'packets', create: oracle },
];
