import { parseArgs } from 'node:util';

const usage = `npm run bench:signaling -- [options]

One gateway process under thousands of sessions, and beside it, in the same run, a bare \`ws\` server that does the same
sends. Both have all their sessions connected; the load goes to the one and the other in turns.

  --sessions N     sessions on each side (default 10000)
  --rooms N        rooms they are spread over (default 1000)
  --seconds N      load on each side, in seconds (default 60)
  --slice N        seconds until it is the other side's turn (default 5)
  --rate N         messages to rooms per second, all rooms together (default 200)
  --reconnects S   share of the sessions that is cut and resumes, per second (default 0.01)
  --burst N        joins under way at a time (default 500)
  --clients N      processes the sessions live in (default 4)
  --plain          without TLS
  --profile        CPU profiles of the gateway while they join and under load
  --limit N        minutes after which the run is given up (default 15)
  --help           this text
`;

export interface Options {
  readonly sessions: number;
  readonly rooms: number;
  readonly seconds: number;
  readonly slice: number;
  readonly rate: number;
  readonly reconnects: number;
  readonly burst: number;
  readonly clients: number;
  readonly plain: boolean;
  readonly profile: boolean;
  readonly limit: number;
}

class UsageError extends Error {}

function number(name: string, text: string, least: number, most: number, whole = true): number {
  const value = Number(text);
  if (text !== '' && value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  throw new UsageError(`--${name} takes a ${whole ? 'whole ' : ''}number from ${least} to ${most}, not "${text}".`);
}

function parse(): Options | 'help' {
  const { values } = parseArgs({
    options: {
      sessions: { type: 'string', default: '10000' },
      rooms: { type: 'string', default: '1000' },
      seconds: { type: 'string', default: '60' },
      slice: { type: 'string', default: '5' },
      rate: { type: 'string', default: '200' },
      reconnects: { type: 'string', default: '0.01' },
      burst: { type: 'string', default: '500' },
      clients: { type: 'string', default: '4' },
      plain: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      limit: { type: 'string', default: '15' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  // A process here may have 20,000 descriptors; tokens live 15 minutes.
  const sessions = number('sessions', values.sessions, 1, 18_000);
  const rooms = number('rooms', values.rooms, 1, sessions);
  return {
    sessions,
    rooms,
    seconds: number('seconds', values.seconds, 1, 300),
    slice: number('slice', values.slice, 1, 300),
    rate: number('rate', values.rate, 1, 100_000),
    reconnects: number('reconnects', values.reconnects, 0, 1, false),
    burst: number('burst', values.burst, 1, 5000),
    clients: number('clients', values.clients, 1, Math.min(rooms, 16)),
    plain: values.plain,
    profile: values.profile,
    limit: number('limit', values.limit, 1, 60),
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
