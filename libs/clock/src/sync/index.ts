export { FleetClock, type FleetClockOptions } from './fleet-clock.ts';
export type { Exchange } from './sample.ts';
export { SourceTimes, type SourceTimesOptions } from './source-times.ts';
