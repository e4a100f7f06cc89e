import { histogram, latencyBuckets } from '@flotilla/runtime';

/** Includes the clock difference between the sender's gateway and this one. */
export const dispatchSeconds = histogram({
  name: 'signaling_dispatch_duration_seconds',
  help: "From the receipt of a message by the sender's gateway to its delivery to all recipients on this one, by kind of address.",
  labelNames: ['to'],
  buckets: latencyBuckets,
});
