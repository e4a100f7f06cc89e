/** Settings of the number of SFU nodes. Times in milliseconds, shares as fractions of one. */
export interface ScalingSettings {
  readonly min: number;
  readonly max: number;
  /** Free capacity on top of the expected sessions: the greater of a share of them and a number of sessions. */
  readonly headroomShare: number;
  readonly headroomSessions: number;
  /** Maximum mean CPU of the nodes, each counted as its busiest worker. */
  readonly meanCpu: number;
  /** Time until a new node serves: sessions are expected to grow at the present rate for as long. */
  readonly leadMs: number;
  /** Interval over which the growth of the sessions is measured. */
  readonly trendMs: number;
  /** CPU counts once it lasted for this long, because a report covers half a second only. */
  readonly cpuForMs: number;
  /** Stabilisation window: the number falls only to the greatest one that was required within it. */
  readonly stabilizationMs: number;
}

export const scalingSettings: ScalingSettings = {
  min: 2,
  max: 10,
  headroomShare: 0.2,
  headroomSessions: 20,
  meanCpu: 0.7,
  leadMs: 15_000,
  trendMs: 10_000,
  cpuForMs: 5000,
  stabilizationMs: 120_000,
};
