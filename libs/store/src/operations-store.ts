import type { RunningExperiment, ScalingRecord } from '@flotilla/contracts';

/** What operators see besides the topology: decisions on the number of SFU nodes, and chaos experiments that run. */
export interface OperationsStore {
  /** Adds a decision; the newest `keptScalings` are kept. Called by the autoscaler that scales. */
  recordScaling(record: ScalingRecord): Promise<void>;

  /** The newest first. */
  scalings(): Promise<ScalingRecord[]>;

  /**
   * Announces an experiment until its `endsAt`, and replaces one of its name. False when `maxExperiments` others are announced. The time
   * of the store decides when it is over: `endsAt` and `startedAt` are only shown.
   */
  announce(experiment: RunningExperiment): Promise<boolean>;

  /** Removes an announcement. */
  end(name: string): Promise<void>;

  /** The experiments that are not over, by name. */
  experiments(): Promise<RunningExperiment[]>;
}
