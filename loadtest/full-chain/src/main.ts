import { monitorEventLoopDelay } from 'node:perf_hooks';
import { endTransports } from '@flotilla/light-peer';
import {
  endOnStopRequest,
  endProgress,
  markdown,
  number,
  type ProcessUse,
  progress,
  readOptions,
  type Report,
  runInfo,
  text,
  usesOf,
  writeReport,
} from '@flotilla/loadtest-kit';
import { type Fleet, startFleet } from '@flotilla/local-fleet';
import { RestApi } from '@flotilla/testkit';
import { type Load, runLoad, type Target } from './load.ts';
import { meanings, type Recorder } from './recorder.ts';

const about = `Users come, get a token, connect, join, send messages, some of them media, and leave: the whole chain from the REST API to the
SFU nodes. They come whether or not the fleet keeps up, and times include the wait.

Without --api on a fleet of processes on this machine. With it, on any deployment: --gateway is where clients connect, and
FLOTILLA_API_KEY has a key with the scopes rooms and tokens. A fleet limits the connections of one address (docs/limits.md); set
FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS and its rates for the test.`;

const options = readOptions(
  'load',
  about,
  {
    users: number('users that are in at a time', 2000, 1, 20_000),
    ramp: number('seconds in which they come', 60, 1, 3600),
    plateau: number('seconds after it', 60, 1, 86_400),
    burst: number('users more that come at once, in the middle of the plateau', 200, 0, 20_000),
    stay: number('mean seconds that a user stays; another one comes for it', 120, 1, 86_400),
    room: number('users of a room', 10, 1, 1000),
    media: number('of the users, those with audio, in pairs', 40, 0, 2000),
    messages: number('messages of a user per minute', 6, 0, 6000),
    api: text('URL of the REST API of a deployment'),
    gateway: text('URL of its gateways (default: that of --api)'),
  },
  ({ gateway, api }) =>
    gateway !== undefined && api === undefined ? '--gateway needs --api, the URL of the REST API.' : undefined,
);
endOnStopRequest();

const maxErrorShare = 0.005;
const maxRestP95Ms = 800;

const load: Load = {
  users: options.users,
  rampSeconds: options.ramp,
  plateauSeconds: options.plateau,
  burst: options.burst,
  staySeconds: options.stay,
  roomSize: options.room,
  media: options.media,
  messagesPerMinute: options.messages,
};

/** All users come from one address, which a fleet would limit. */
function withoutAddressLimits(): Record<string, string> {
  const many = String(2 * (load.users + load.burst) + 1000);
  return {
    FLOTILLA_NAMESPACE: 'load',
    FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: many,
    FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS: many,
    FLOTILLA_MESSAGES_PER_SECOND_PER_ADDRESS: many,
    FLOTILLA_API_REQUESTS_PER_SECOND: many,
  };
}

async function targetOf(fleet: Fleet | undefined): Promise<Target> {
  if (fleet) return { api: new RestApi(fleet.registryUrl, fleet.apiKey), gatewayUrls: fleet.gatewayUrls };
  const api = new RestApi(options.api!, process.env['FLOTILLA_API_KEY']);
  const { status, body } = await api.request('GET', '/v1/rooms?limit=1').catch((error: Error) => {
    const { cause } = error as { cause?: { message?: string } };
    throw new Error(`the REST API at ${options.api} cannot be reached: ${cause?.message ?? error.message}`);
  });
  if (status === 401 || status === 403)
    throw new Error(`${options.api} answered ${status}: ${JSON.stringify(body)}. Set FLOTILLA_API_KEY.`);
  return { api, gatewayUrls: [options.gateway ?? options.api!] };
}

const round = (ms: number): number => Number(ms.toPrecision(3));

function reportOf(
  recorder: Recorder,
  facts: readonly (readonly [string, string | number])[],
  uses: Report['tables'],
): Report {
  const { summary, errorShare, failed, failures, perSecond } = recorder;
  const restP95 = summary.find(({ step }) => step === 'token')!.p95;
  const at = perSecond.map((_, second) => second);
  return {
    ...runInfo(),
    title: 'Flotilla load',
    heading: `${load.users} users, and a burst of ${load.burst}`,
    about: options.api ?? 'a fleet of processes on the same machine',
    goals: [
      {
        what: `at most ${maxErrorShare * 100} % of the steps fail`,
        met: errorShare <= maxErrorShare,
        figure: `${(errorShare * 100).toFixed(2)} %, ${failed} failures`,
      },
      { what: `REST p95 of at most ${maxRestP95Ms} ms`, met: restP95 <= maxRestP95Ms, figure: `${round(restP95)} ms` },
    ],
    plots: {
      axis: 'time',
      unit: 's',
      places: 0,
      at,
      plots: [
        {
          title: 'users per second',
          places: 0,
          series: [
            { label: 'entered', values: perSecond.map(({ entered }) => entered) },
            { label: 'failed steps', values: perSecond.map((each) => each.failed) },
          ],
        },
        {
          title: 'p95 of each second (ms)',
          places: 0,
          logarithmic: true,
          series: [
            { label: 'entry', values: perSecond.map(({ entryP95 }) => entryP95) },
            { label: 'dispatch', values: perSecond.map(({ dispatchP95 }) => dispatchP95) },
          ],
        },
      ],
    },
    tables: [
      {
        title: 'Steps',
        head: ['step', '', 'number', 'p50 (ms)', 'p95 (ms)', 'p99 (ms)', 'max (ms)'],
        rows: summary
          .filter(({ count }) => count > 0)
          .map(({ step, count, ...times }) => [
            step,
            meanings[step],
            count,
            ...[times.p50, times.p95, times.p99, times.max].map(round),
          ]),
      },
      { title: 'Load', head: ['', ''], rows: facts.map((row) => [...row]) },
      ...(failures.length > 0
        ? [{ title: 'Failures', head: ['step and code', 'number'], rows: failures.slice(0, 30).map((row) => [...row]) }]
        : []),
      ...uses,
    ],
  };
}

function usesTable(before: readonly ProcessUse[], after: readonly ProcessUse[], seconds: number): Report['tables'] {
  if (after.length === 0) return [];
  const cpuBefore = new Map(before.map(({ name, cpuSeconds }) => [name, cpuSeconds]));
  const rows = after.map(({ name, cpuSeconds, residentMiB }) => [
    name,
    Math.round(((cpuSeconds - (cpuBefore.get(name) ?? 0)) / seconds) * 100),
    Math.round(residentMiB),
  ]);
  return [{ title: 'Processes', head: ['process', 'CPU (% of a core, mean)', 'memory at the end (MiB)'], rows }];
}

const fleet =
  options.api === undefined
    ? await startFleet({ sfuNodes: 2, gateways: 2, port: 0, env: withoutAddressLimits() })
    : undefined;
try {
  const target = await targetOf(fleet);
  const before = fleet ? usesOf(fleet) : [];
  const ownCpu = process.cpuUsage();
  const delay = monitorEventLoopDelay();
  delay.enable();
  const began = performance.now();
  const seconds = load.rampSeconds + load.plateauSeconds;
  const result = await runLoad(target, load, (second, inside, entering) =>
    progress(`${second} of ${seconds} s: ${inside} users in, ${entering} entering`),
  );
  delay.disable();
  endProgress();
  const took = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(ownCpu);
  const facts = [
    ['users that came', result.came],
    ['most in at a time', result.mostAtOnce],
    ['not let in: too many were entering', result.turnedAway],
    ['load generator: CPU (% of a core)', Math.round((user + system) / 1e4 / took)],
    ['load generator: event loop delay p99 (ms)', round(delay.percentile(99) / 1e6)],
  ] as const;
  const report = reportOf(result.recorder, facts, usesTable(before, fleet ? usesOf(fleet) : [], took));
  console.log(`\n${markdown(report.goals, report.tables)}\n`);
  writeReport(import.meta.url, report, {
    load,
    facts,
    steps: result.recorder.summary,
    failures: result.recorder.failures,
  });
  process.exitCode = report.goals.every(({ met }) => met) && result.turnedAway === 0 ? 0 : 1;
} catch (error) {
  endProgress();
  console.error(`Stopped: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await fleet?.stop();
  endTransports();
}
