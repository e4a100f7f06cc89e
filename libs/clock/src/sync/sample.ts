/** Timestamps of a request and its response, in ms. */
export interface Exchange {
  /** Request sent, by the local clock (monotonic, any epoch). */
  readonly t1: number;
  /** Request received, by the server's clock (Unix epoch). */
  readonly t2: number;
  /** Response sent, by the server's clock (Unix epoch). */
  readonly t3: number;
  /** Response received, by the local clock. */
  readonly t4: number;
  /** Round trip from the server to its reference clock. Default 0. */
  readonly rootDelayMs?: number;
  /** Root dispersion that the server states. Infinity: unknown. Default 0. */
  readonly rootDispersionMs?: number;
}

/** The relation of two clocks, measured by one exchange. */
export interface Sample {
  /** Local time at which the response was received, in ms. */
  readonly atMs: number;
  /** Server's clock minus local clock, in ms. */
  readonly offsetMs: number;
  /** Round trip without the server's processing time, in ms. */
  readonly delayMs: number;
  /** Error of reading the clocks, in ms. */
  readonly dispersionMs: number;
  /** The server's root distance, in ms. */
  readonly rootMs: number;
}

/** PHI of RFC 5905, section 7.2: frequency tolerance, in ms per ms. */
export const frequencyTolerance = 15e-6;

/** Resolution of local clocks, in ms; browsers round theirs to it. */
const readingErrorMs = 0.1;

/** MAXDISP of RFC 5905, section 7.2: a source at this distance or more is unusable. */
export const maxDistanceMs = 16_000;

/** Tolerated negative delay, because the two clocks run at different rates. */
const negativeDelayMs = 1;

/**
 * Offset and delay of an exchange (RFC 5905, section 8); undefined for impossible timestamps. However the delay is split between the
 * two directions, the error of the offset is at most half the delay.
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
