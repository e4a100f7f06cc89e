/** A request and its answer, in ms. t1 and t4 are the local clock (monotonic, any epoch), t2 and t3 the server's (Unix epoch). */
export interface Exchange {
  /** The request left here. */
  readonly t1: number;
  /** It arrived there. */
  readonly t2: number;
  /** The answer left there. */
  readonly t3: number;
  /** It arrived here. */
  readonly t4: number;
  /** The round trip from the server to the source of its time. Default 0. */
  readonly rootDelayMs?: number;
  /** The error that the server states besides. Infinity: it does not know. Default 0. */
  readonly rootDispersionMs?: number;
}

/** What an exchange says of the two clocks. */
export interface Sample {
  /** Local time when the answer came, in ms. */
  readonly atMs: number;
  /** Server's clock minus local clock, in ms. */
  readonly offsetMs: number;
  /** Round trip without the time spent at the server, in ms. */
  readonly delayMs: number;
  /** Error of reading the clocks, in ms. */
  readonly dispersionMs: number;
  /** The server's own distance from its reference, in ms. */
  readonly rootMs: number;
}

/** PHI of RFC 5905, section 7.2: how fast a clock may wander, in ms per ms. */
export const frequencyTolerance = 15e-6;

/** Of local clocks; browsers round theirs to this. */
const readingErrorMs = 0.1;

/** MAXDISP of RFC 5905, section 7.2: what is farther says nothing. */
export const maxDistanceMs = 16_000;

/** A delay may come out this much below zero, as the two clocks don't run at the same rate. */
const negativeDelayMs = 1;

/**
 * Offset and delay of an exchange (RFC 5905, section 8), or undefined when it can't have happened so. Whatever the two ways
 * took, the offset is wrong by half the delay at most.
 */
export function sampleOf({ t1, t2, t3, t4, rootDelayMs = 0, rootDispersionMs = 0 }: Exchange): Sample | undefined {
  if (![t1, t2, t3, t4, rootDelayMs].every(Number.isFinite)) return undefined;
  if (t4 < t1 || t3 < t2 || rootDelayMs < 0 || !(rootDispersionMs >= 0)) return undefined;
  const delayMs = t4 - t1 - (t3 - t2);
  if (delayMs < -negativeDelayMs || delayMs > maxDistanceMs) return undefined;
  return {
    atMs: t4,
    offsetMs: (t2 - t1 + (t3 - t4)) / 2,
    delayMs: Math.max(delayMs, 0),
    dispersionMs: readingErrorMs + frequencyTolerance * (t4 - t1),
    rootMs: rootDelayMs / 2 + rootDispersionMs,
  };
}
