import type { OpenBreaker } from '@flotilla/contracts';

/** What a process reports of its breakers is shown for this long, ms. */
export const breakersShownMs = 15_000;

/** Maximum number of breakers of one process that are shown. */
export const maxShownBreakers = 64;

/** The breakers of calls between services that are not closed, for the topology. */
export interface BreakerStore {
  /** Replaces what a process has reported. `reporter` is unique to the process. */
  report(reporter: string, breakers: readonly OpenBreaker[]): Promise<void>;

  /** The breakers that processes have reported within `breakersShownMs`. */
  list(): Promise<OpenBreaker[]>;
}
