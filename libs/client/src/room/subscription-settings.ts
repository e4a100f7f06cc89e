import type { Layers } from '@flotilla/contracts';

/** Settings of a subscription. */
export interface SubscriptionSettings {
  readonly paused?: boolean;
  readonly layers?: Layers;
  readonly priority?: number;
}
