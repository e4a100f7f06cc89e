/** What a worker carries, as the choice of a worker for a session reads it. */
export interface WorkerState {
  /** Used share of one core, 0 to 1, as it was measured last. */
  readonly cpu: number;
  /** Sessions, consumers and sessions that are being opened, of all rooms. */
  readonly load: number;
  /** Sessions of the room, those that are being opened included. */
  readonly ofRoom: number;
}

/** Above either, a worker gets no further sessions of a room while another worker is below. */
export interface SpreadLimits {
  /** Used share of one core, 0 to 1. */
  readonly cpu: number;
  /** Sessions and consumers. */
  readonly load: number;
}

/**
 * CPU of a worker from which on rooms spread. Below the planner's `targetCpu`, from which on a node gets no participants: a room
 * uses all workers of a node before it uses another node.
 */
export const spreadCpu = 0.6;
/** Steps in which the CPU of workers is compared. Measurements of half a second differ by less without a reason. */
const cpuStep = 0.1;

/**
 * Chooses the worker of a session: the one that has most of the room, while it is below the limits, since each stream that crosses
 * to another worker costs both of them a pipe. Above, the least loaded one.
 *
 * @param workers at least one.
 */
export function chooseWorker<Worker extends WorkerState>(workers: readonly Worker[], limits: SpreadLimits): Worker {
  const ofRoom = workers.filter(({ cpu, load, ofRoom: own }) => own > 0 && cpu < limits.cpu && load < limits.load);
  if (ofRoom.length > 0) return ofRoom.reduce((most, each) => (each.ofRoom > most.ofRoom ? each : most));
  const share = ({ cpu, load }: Worker): number =>
    Math.max((Math.floor(cpu / cpuStep) * cpuStep) / limits.cpu, load / limits.load);
  return workers.reduce((least, each) => (share(each) < share(least) ? each : least));
}
