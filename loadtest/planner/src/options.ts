import { number, readOptions } from '@flotilla/loadtest-kit';
import { type SimulationOptions, wholeDay } from './simulation.ts';

const about = `The planner against a model of a fleet on a simulated clock: people come and go, nodes fail, are drained, get hot and sick.
Then the same day without it.`;

/** What the command line asks for. */
export function simulationOptions(): SimulationOptions {
  const { tick, ...values } = readOptions('bench:planner', about, {
    nodes: number('SFU nodes', wholeDay.nodes, 2, 2000),
    peers: number('peers at the busiest hour', wholeDay.peers, 1, 200_000),
    hours: number('how long', wholeDay.hours, 1, 168),
    from: number('hour of the day it begins at', wholeDay.from, 0, 23),
    tick: number('seconds between two plans', wholeDay.tickSeconds, 1, 60),
    seed: number('another day of the same kind', wholeDay.seed, 0, 4_294_967_295),
  });
  return { ...wholeDay, ...values, tickSeconds: tick };
}
