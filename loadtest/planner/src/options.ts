import { number, readOptions } from '@flotilla/loadtest-kit';
import { type SimulationOptions, wholeDay } from './simulation.ts';

const about = `The planner with a model of a fleet on a simulated clock: participants join and leave, nodes fail, are drained, overloaded and
degraded. Compared with the same day without a planner.`;

/** Reads the command line. */
export function simulationOptions(): SimulationOptions {
  const { tick, ...values } = readOptions('bench:planner', about, {
    nodes: number('SFU nodes', wholeDay.nodes, 2, 2000),
    peers: number('peers at the busiest hour', wholeDay.peers, 1, 200_000),
    hours: number('simulated hours', wholeDay.hours, 1, 168),
    from: number('hour of the day at the start', wholeDay.from, 0, 23),
    tick: number('interval between two plans, in seconds', wholeDay.tickSeconds, 1, 60),
    seed: number('seed of the random events', wholeDay.seed, 0, 4_294_967_295),
  });
  return { ...wholeDay, ...values, tickSeconds: tick };
}
