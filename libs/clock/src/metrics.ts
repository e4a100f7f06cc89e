import { counter, gauge } from '@flotilla/runtime';

export const errorBound = gauge({
  name: 'clock_error_bound_seconds',
  help: "Upper bound on the error of the fleet's time; +Inf while it is unknown.",
});
export const offset = gauge({
  name: 'clock_offset_seconds',
  help: "The fleet's time minus the machine's own.",
});
export const drift = gauge({
  name: 'clock_drift_ratio',
  help: "Rate of the fleet's time against the machine's clock, less 1, in seconds per second.",
});
export const sources = gauge({
  name: 'clock_sources',
  help: 'NTP servers that answered their last poll with a usable time.',
});
export const polls = counter({
  name: 'clock_polls_total',
  help: 'Polls of NTP servers, by result: time, invalid, timeout, unsynchronised, kiss, denied or rate_limited.',
  labelNames: ['result'],
});
export const steps = counter({
  name: 'clock_steps_total',
  help: "Corrections of the fleet's time by 128 ms or more.",
});
