/** What a load consists of. Times are in seconds, rates per second. */
export interface LoadShape {
  /** Users that are in at a time after the ramp. */
  readonly users: number;
  readonly rampSeconds: number;
  readonly plateauSeconds: number;
  /** Users that come at once, in the middle of the plateau, and stay to its end. */
  readonly burst: number;
  /** Mean time that a user stays. Another one comes for each that leaves. */
  readonly staySeconds: number;
}

export type Phase = 'ramp' | 'plateau' | 'burst';

/** A user that comes at a time since the beginning of the load, and leaves at another. Seconds. */
export interface Arrival {
  readonly at: number;
  readonly until: number;
  readonly phase: Phase;
}

/**
 * The users of a load in the order of their arrival: an open model, whose users come when they come, however slow the fleet is. Arrivals are a
 * Poisson process, as those of many independent people are.
 *
 * @param random numbers from 0 to 1, 1 excluded.
 */
export function arrivals(shape: LoadShape, random: () => number): Arrival[] {
  const { users, rampSeconds, plateauSeconds, burst, staySeconds } = shape;
  const end = rampSeconds + plateauSeconds;
  const stay = (): number => -Math.log(1 - random()) * staySeconds;
  const found: Arrival[] = [];
  const come = (at: number, until: number, phase: Phase): void =>
    void found.push({ at, until: Math.min(until, end), phase });
  // Each of the users is followed by another when it leaves, so that as many are in.
  for (let place = 0; place < users; place++) {
    for (let at = random() * rampSeconds; at < end;) {
      const until = at + stay();
      come(at, until, at < rampSeconds ? 'ramp' : 'plateau');
      at = until;
    }
  }
  const middle = rampSeconds + plateauSeconds / 2;
  for (let each = 0; each < burst; each++) come(middle, end, 'burst');
  return found.toSorted((one, other) => one.at - other.at);
}
