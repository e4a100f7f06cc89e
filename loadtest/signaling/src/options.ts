import { flag, number, type OptionValues, readOptions, share } from '@flotilla/loadtest-kit';

const about = `One gateway process with thousands of sessions, compared in the same run with a bare \`ws\` server that does the same sends.
Both have all their sessions connected; the load alternates between them.`;

const table = {
  // Limited by 20,000 file descriptors per process.
  sessions: number('sessions on each side', 10_000, 1, 18_000),
  rooms: number('rooms of the sessions', 1000, 1, 18_000),
  seconds: number('load on each side, in seconds', 60, 1, 300),
  slice: number('length of a turn, in seconds', 5, 1, 300),
  rate: number('messages to rooms per second, all rooms together', 200, 1, 100_000),
  reconnects: share('share of the sessions that is cut and resumes, per second', 0.01),
  burst: number('concurrent joins', 500, 1, 5000),
  clients: number('client processes', 4, 1, 16),
  plain: flag('without TLS'),
  profile: flag('CPU profiles of the gateway during joins and under load'),
  limit: number('maximum duration of the run, in minutes', 15, 1, 60),
};

export type Options = OptionValues<typeof table>;

/** Reads the command line. */
export const benchOptions = (): Options =>
  readOptions('bench:signaling', about, table, ({ sessions, rooms, clients }) => {
    if (rooms > sessions) return `--rooms must not exceed --sessions (${sessions}), but is ${rooms}.`;
    if (clients > rooms) return `--clients must not exceed --rooms (${rooms}), but is ${clients}.`;
    return undefined;
  });
