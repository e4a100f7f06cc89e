import { parseArgs } from 'node:util';
import { type SimulationOptions, wholeDay } from './simulation.ts';

const usage = `npm run bench:planner -- [options]

The planner against a model of a fleet on a simulated clock: people come and go, nodes fail, are drained, get hot and sick.
Then the same day without it.

  --nodes N       SFU nodes (default ${wholeDay.nodes})
  --peers N       peers at the busiest hour (default ${wholeDay.peers})
  --hours N       how long (default ${wholeDay.hours})
  --from N        hour of the day it begins at (default ${wholeDay.from})
  --tick N        seconds between two plans (default ${wholeDay.tickSeconds})
  --seed N        another day of the same kind (default ${wholeDay.seed})
  --help          this text
`;

class UsageError extends Error {}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new UsageError(`--${name} takes a whole number from ${least} to ${most}, not "${text}".`);
}

function parse(): SimulationOptions | 'help' {
  const { values } = parseArgs({
    options: {
      nodes: { type: 'string', default: String(wholeDay.nodes) },
      peers: { type: 'string', default: String(wholeDay.peers) },
      hours: { type: 'string', default: String(wholeDay.hours) },
      from: { type: 'string', default: String(wholeDay.from) },
      tick: { type: 'string', default: String(wholeDay.tickSeconds) },
      seed: { type: 'string', default: String(wholeDay.seed) },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    ...wholeDay,
    nodes: number('nodes', values.nodes, 2, 2000),
    peers: number('peers', values.peers, 1, 200_000),
    hours: number('hours', values.hours, 1, 168),
    from: number('from', values.from, 0, 23),
    tickSeconds: number('tick', values.tick, 1, 60),
    seed: number('seed', values.seed, 0, 4_294_967_295),
  };
}

/** What the command line asks for. Ends the process with the usage where it asks for that, or for what is not there. */
export function readOptions(): SimulationOptions {
  try {
    const options = parse();
    if (options !== 'help') return options;
    console.log(usage);
    process.exit(0);
  } catch (error) {
    console.error((error as Error).message);
    if (!(error instanceof UsageError)) console.error(`\n${usage}`);
    process.exit(2);
  }
}
