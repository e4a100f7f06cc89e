/** What the benchmark's own processes say to each other, over the channel that Node opens to a child. */
import type { TallyDelta } from './tally.ts';

/** Who is under load: Flotilla, or the bare `ws` server beside it. */
export const sides = ['flotilla', 'bare'] as const;
export type Side = (typeof sides)[number];

/** What a client process is to be. */
export interface CrowdSettings {
  /** Which of how many. It has every room whose number leaves this rest. */
  readonly index: number;
  readonly processes: number;
  readonly sessions: number;
  readonly roomNames: readonly string[];
  readonly tokenSecret: string;
  readonly urls: Readonly<Record<Side, string>>;
  /** The authority that the servers' certificate is checked against, as PEM. */
  readonly ca: string | undefined;
}

export interface Play {
  readonly side: Side;
  readonly seconds: number;
  /** Messages a second of this process. */
  readonly rate: number;
  /** Share of the sessions that is cut and comes back, per second. */
  readonly reconnects: number;
}

/** What each member of each room got, against what was acknowledged to the senders. */
export interface Verification {
  readonly members: number;
  /** Those in their rooms at the end. */
  readonly held: number;
  /** Began anew on the way, so what they should have is not known. */
  readonly unchecked: number;
  readonly acknowledged: number;
  /** Sent, and neither acknowledged nor refused. */
  readonly unanswered: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
}

/** What a client process does when it is told to; each answers when it is done. */
export interface CrowdCalls {
  begin(settings: CrowdSettings): void;
  /** Connects every session and joins its room, so many at a time. */
  enter(how: { side: Side; atOnce: number }): Promise<void>;
  play(how: Play): Promise<void>;
  /** Waits for what is under way, then counts. */
  verify(side: Side): Promise<Verification>;
  leave(how: { side: Side; atOnce: number }): Promise<void>;
}

/** Told once a second. */
export interface CrowdTick {
  readonly sides: Readonly<Record<Side, { readonly held: number; readonly tally: TallyDelta }>>;
  readonly loopDelayMs: number;
}

/** What the bare server does when it is told to. */
export interface BareCalls {
  listen(how: { certificate: { cert: string; key: string } | undefined; heartbeatMs: number }): Promise<number>;
}

export interface BareTick {
  readonly loopDelayMs: number;
}

export interface Call {
  readonly call: number;
  readonly name: string;
  readonly argument: unknown;
}

export type Answer =
  | { readonly answer: number; readonly result: unknown }
  | { readonly answer: number; readonly error: string }
  | { readonly tick: unknown };
