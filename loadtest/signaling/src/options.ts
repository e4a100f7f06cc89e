import { flag, number, type OptionValues, readOptions, share } from '@flotilla/loadtest-kit';

const about = `One gateway process under thousands of sessions, and beside it, in the same run, a bare \`ws\` server that does the same
sends. Both have all their sessions connected; the load goes to the one and the other in turns.`;

const table = {
  // A process here may have 20,000 descriptors.
  sessions: number('sessions on each side', 10_000, 1, 18_000),
  rooms: number('rooms they are spread over', 1000, 1, 18_000),
  seconds: number('load on each side, in seconds', 60, 1, 300),
  slice: number("seconds until it is the other side's turn", 5, 1, 300),
  rate: number('messages to rooms per second, all rooms together', 200, 1, 100_000),
  reconnects: share('share of the sessions that is cut and resumes, per second', 0.01),
  burst: number('joins under way at a time', 500, 1, 5000),
  clients: number('processes the sessions live in', 4, 1, 16),
  plain: flag('without TLS'),
  profile: flag('CPU profiles of the gateway while they join and under load'),
  limit: number('minutes after which the run is given up', 15, 1, 60),
};

export type Options = OptionValues<typeof table>;

/** What the command line asks for. */
export const benchOptions = (): Options =>
  readOptions('bench:signaling', about, table, ({ sessions, rooms, clients }) => {
    if (rooms > sessions) return `--rooms is at most as many as --sessions, ${sessions}, not ${rooms}.`;
    if (clients > rooms) return `--clients is at most as many as --rooms, ${rooms}, not ${clients}.`;
    return undefined;
  });
