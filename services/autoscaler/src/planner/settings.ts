/** Settings of the planner. Times in milliseconds, CPU and scores as fractions of one. */
export interface PlannerSettings {
  /** A node above this CPU for `hotForMs` is rebalanced until its expected CPU is below `coolCpu`. */
  readonly hotCpu: number;
  readonly hotForMs: number;
  readonly coolCpu: number;
  /** A node at or above this CPU is no target of optional migrations. */
  readonly targetCpu: number;
  /** A peer below this score for `degradedForMs` is degraded. */
  readonly poorScore: number;
  /** So is a peer whose round trip is `rttFactor` times its baseline and `rttRiseMs` above it: 2 ms instead of 0.5 ms is not degraded. */
  readonly rttFactor: number;
  readonly rttRiseMs: number;
  readonly degradedForMs: number;
  /** A node is at fault when at least this share, and this number, of its peers are degraded: see `isAtFault`. */
  readonly faultShare: number;
  readonly faultPeers: number;
  /** How long a node at fault is no target. */
  readonly faultForMs: number;
  /** Minimum expected improvement of the score by a migration for quality. */
  readonly gain: number;
  /** Minimum interval between two trial migrations of a peer whose own path has degraded. */
  readonly trialEveryMs: number;
  /** Minimum interval between two optional migrations of a peer. */
  readonly coolDownMs: number;
  /** Minimum time before a peer returns to a previous node. */
  readonly noReturnMs: number;
  /** Minimum interval between two attempts to move a peer off a draining node. */
  readonly retryDrainMs: number;
  /** Minimum interval between two attempts to move a peer off a lost node. */
  readonly retryLostMs: number;
  /** Time until a migration shows in the CPU of both nodes. */
  readonly settleMs: number;
  /** After a longer interval between two plans, the timers of hot nodes and degraded peers restart, because the time between is unknown. */
  readonly unseenMs: number;
  /** Drains with shorter intervals are one rollout. Nodes without a revision that started at most this long before its first drain are replacements. */
  readonly rolloutPauseMs: number;
  /** Maximum number of concurrent migrations from a node that is alive. */
  readonly fromAtOnce: number;
  /** Maximum number of concurrent migrations to a node. */
  readonly toAtOnce: number;
  /** The same for peers of lost nodes, which have no media. */
  readonly toAtOnceWhenLost: number;
  /** Maximum number of migrations in one plan. */
  readonly perPlan: number;
  /** Maximum number of moved peers in the planner's memory; the oldest are dropped. */
  readonly remembered: number;
}

export const plannerSettings: PlannerSettings = {
  hotCpu: 0.9,
  hotForMs: 10_000,
  coolCpu: 0.8,
  targetCpu: 0.75,
  poorScore: 0.6,
  rttFactor: 3,
  rttRiseMs: 50,
  degradedForMs: 5000,
  faultShare: 0.5,
  faultPeers: 3,
  faultForMs: 300_000,
  gain: 0.15,
  trialEveryMs: 1_800_000,
  coolDownMs: 60_000,
  noReturnMs: 600_000,
  retryDrainMs: 2000,
  retryLostMs: 500,
  settleMs: 10_000,
  unseenMs: 10_000,
  rolloutPauseMs: 600_000,
  fromAtOnce: 10,
  toAtOnce: 10,
  toAtOnceWhenLost: 50,
  perPlan: 256,
  remembered: 100_000,
};
