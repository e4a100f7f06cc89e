export {
  type ChoiceOption,
  flag,
  type FlagOption,
  number,
  type NumberOption,
  oneOf,
  type OptionValues,
  readOptions,
  share,
  text,
  type TextOption,
} from './options.ts';
export { nearestRank, percentile, summarize } from './percentiles.ts';
export { cpuSecondsOf, type ProcessUse, usesOf } from './process-use.ts';
export { endProgress, progress } from './progress.ts';
export { Random } from './random.ts';
export { markdown, type Plots, type Report, type Series, type Goal } from './report.ts';
export { endOnStopRequest } from './stop-request.ts';
export { runInfo, writeReport } from './write-report.ts';
