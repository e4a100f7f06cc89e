import { parseArgs } from 'node:util';

const usage = `npm run bench:framing -- [options]

Metadata frames against JSON, and the ring between two threads against postMessage, by turns in one run.

  --bytes N    payload of a frame (default 1024)
  --rounds N   turns of each side (default 30)
  --frames N   frames in a turn (default 10000)
  --help       this text
`;

export interface Options {
  readonly bytes: number;
  readonly rounds: number;
  readonly frames: number;
}

class UsageError extends Error {}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new UsageError(`--${name} takes a whole number from ${least} to ${most}, not "${text}".`);
}

function parse(): Options | 'help' {
  const { values } = parseArgs({
    options: {
      bytes: { type: 'string', default: '1024' },
      rounds: { type: 'string', default: '30' },
      frames: { type: 'string', default: '10000' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    bytes: number('bytes', values.bytes, 1, 16_000),
    rounds: number('rounds', values.rounds, 1, 1000),
    frames: number('frames', values.frames, 100, 1_000_000),
  };
}

/** What the command line asks for. Ends the process with the usage where it asks for that, or for what is not there. */
export function readOptions(): Options {
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
