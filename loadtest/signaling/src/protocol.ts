/** Messages between the processes of the benchmark, over Node's IPC channel. */
import type { TallyDelta } from './tally.ts';

/** The system under test: Flotilla, or the bare `ws` server. */
export const sides = ['flotilla', 'bare'] as const;
export type Side = (typeof sides)[number];

/** Settings of a client process. */
export interface PoolSettings {
  /** Index of the process. It has the rooms whose index modulo `processes` equals this. */
  readonly index: number;
  readonly processes: number;
  readonly sessions: number;
  readonly roomNames: readonly string[];
  readonly tokenSecret: string;
  readonly urls: Readonly<Record<Side, string>>;
  /** CA of the servers' certificate, as PEM. Undefined without TLS. */
  readonly ca: string | undefined;
}

export interface LoadPhase {
  readonly side: Side;
  readonly seconds: number;
  /** Messages per second of this process. */
  readonly rate: number;
  /** Share of the sessions that is cut and resumes, per second. */
  readonly reconnects: number;
}

/** Received messages of every session, compared with the acknowledged ones. */
export interface Verification {
  readonly members: number;
  /** Sessions in their rooms at the end. */
  readonly joined: number;
  /** Sessions that rejoined without a complete resume, and are not checked. */
  readonly unchecked: number;
  readonly acknowledged: number;
  /** Messages neither acknowledged nor refused. */
  readonly unanswered: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
}

/** Calls of a client process. */
export interface PoolCalls {
  begin(settings: PoolSettings): void;
  /** Connects every session and joins its room. */
  enter(how: { side: Side; concurrency: number }): Promise<void>;
  play(how: LoadPhase): Promise<void>;
  /** Waits for pending requests, then counts. */
  verify(side: Side): Promise<Verification>;
  leave(how: { side: Side; concurrency: number }): Promise<void>;
}

/** Report of a client process, once per second. */
export interface PoolTick {
  readonly sides: Readonly<Record<Side, { readonly joined: number; readonly tally: TallyDelta }>>;
  readonly loopDelayMs: number;
}

/** Calls of the bare server. */
export interface BareCalls {
  listen(how: { certificate: { cert: string; key: string } | undefined; heartbeatMs: number }): Promise<number>;
}

/** Report of the bare server, once per second. */
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
