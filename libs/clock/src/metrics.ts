import { counter, gauge } from '@flotilla/runtime';

export const errorBound = gauge({
  name: 'clock_error_bound_seconds',
  help: "The fleet's time is wrong by this much at most; +Inf while that is not known.",
});
export const offset = gauge({
  name: 'clock_offset_seconds',
  help: "The fleet's time minus the machine's own.",
});
export const drift = gauge({
  name: 'clock_drift_ratio',
  help: "How much faster the fleet's time runs than the machine's clock, in seconds a second.",
});
export const sources = gauge({
  name: 'clock_sources',
  help: 'NTP servers that told the time when they were asked last.',
});
export const polls = counter({
  name: 'clock_polls_total',
  help: 'Times that an NTP server was asked, by what came of it.',
  labelNames: ['result'],
});
export const steps = counter({
  name: 'clock_steps_total',
  help: "How often the fleet's time was set by 128 ms or more.",
});
