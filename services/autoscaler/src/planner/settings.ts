/** What the planner goes by. Times in milliseconds, CPU and scores as fractions of one. */
export interface PlannerSettings {
  /** A node above this for `hotForMs` gives peers away until it is expected to come below `coolCpu`. */
  readonly hotCpu: number;
  readonly hotForMs: number;
  readonly coolCpu: number;
  /** Nobody is sent to a node at or above this. */
  readonly targetCpu: number;
  /** A peer below this score for `degradedForMs` is looked at. */
  readonly poorScore: number;
  /** So is one whose round trip is this many times its baseline, and this much longer: 2 ms in place of 0.5 is no degradation. */
  readonly rttFactor: number;
  readonly rttRiseMs: number;
  readonly degradedForMs: number;
  /** Degradation of at least this share of a node's peers, and this many, is the node's fault: see `faultOf`. */
  readonly faultShare: number;
  readonly faultPeers: number;
  /** A node that was at fault takes nobody for this long. */
  readonly faultForMs: number;
  /** A node's fault or not, a peer moves only where its score is expected to be this much better. */
  readonly gain: number;
  /** A peer whose own path got worse is tried on another node this often at most. */
  readonly trialEveryMs: number;
  /** A peer that was moved stays for this long, unless its node is drained or lost. */
  readonly coolDownMs: number;
  /** And does not come back to a node it was moved from for this long. */
  readonly noReturnMs: number;
  /** A move off a drained node, or a lost one, that came to nothing is tried again after this. */
  readonly retryDrainMs: number;
  readonly retryLostMs: number;
  /** How long a move takes to show in the CPU figures of both nodes. */
  readonly settleMs: number;
  /** After a pause this long between two plans, conditions that must last start from zero, because the time between is unknown. */
  readonly unseenMs: number;
  /** Drains with shorter pauses are one rollout. Nodes that started this long before its first drain, or later, replace others. */
  readonly rolloutPauseMs: number;
  /** Migrations at once from a node that is alive, and to any node. */
  readonly fromAtOnce: number;
  readonly toAtOnce: number;
  /** Those of a lost node are without media: so many at once to any node. */
  readonly toAtOnceWhenLost: number;
  /** Migrations in one plan at most. */
  readonly perPlan: number;
  /** How many moved peers are remembered; the oldest are forgotten first. */
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
