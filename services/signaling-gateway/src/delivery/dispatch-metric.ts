import { histogram, latencyBuckets } from '@flotilla/runtime';

/** Between gateways it includes the difference of their clocks. */
export const dispatchSeconds = histogram({
  name: 'signaling_dispatch_duration_seconds',
  help: 'From the receipt of a message by its gateway to its sending to all who get it here, by kind of address.',
  labelNames: ['to'],
  buckets: latencyBuckets,
});
