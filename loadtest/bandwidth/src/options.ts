import { flag, number, readOptions } from '@flotilla/loadtest-kit';

const about = `The bandwidth estimators of libs/bandwidth on simulated links, in virtual time: the same seed gives the same figures.`;

/** Reads the command line. */
export const benchmarkOptions = () =>
  readOptions('bench:bandwidth', about, {
    seed: number('seed of the sources, jitter and losses', 1, 0, 1_000_000),
    docs: flag('also write the table of docs/bandwidth.md and its pictures in docs/images'),
  });
