import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { endTransports, LightPeer } from '@flotilla/light-peer';
import {
  cpuSecondsOf,
  endOnStopRequest,
  endProgress,
  type Goal,
  markdown,
  number,
  progress,
  readOptions,
  runInfo,
  summarize,
  writeReport,
} from '@flotilla/loadtest-kit';
import { type Fleet, startFleet } from '@flotilla/local-fleet';
import { mediaWorkersOf, RestApi } from '@flotilla/testkit';
import { Subscriber } from './subscriber.ts';

const about = `One participant publishes a video, and an audience comes to the room, over several SFU nodes with several media workers each.
Prints the time to the first packet as the audience grows, the longest gaps of all of them, and what each media worker does.

Subscribers are light peers of one process, which is shown beside the figures.`;

const options = readOptions('bench:audience', about, {
  audience: number('subscribers of the room', 600, 1, 5000),
  step: number('subscribers of each line of the table', 100, 1, 5000),
  joining: number('subscribers that join at a time', 4, 1, 100),
  nodes: number('SFU nodes', 3, 1, 16),
  workers: number('media workers of each node', 2, 1, 64),
  seconds: number('seconds of the measurement with all of them', 20, 1, 3600),
});
endOnStopRequest();

const maxFirstPacketMs = 1000;
/** No worker may be above the first while another is below the second, in percent of a core. */
const unevenCpu = { above: 90, below: 50 };

const many = String(2 * options.audience + 1000);
const env = {
  FLOTILLA_NAMESPACE: 'audience',
  FLOTILLA_SFU_WORKERS: String(options.workers),
  FLOTILLA_SFU_CAPACITY: many,
  FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: many,
  FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS: many,
  FLOTILLA_MESSAGES_PER_SECOND_PER_ADDRESS: many,
  FLOTILLA_API_REQUESTS_PER_SECOND: many,
};

const round = (value: number): number => Number(value.toPrecision(3));

interface MediaWorker {
  readonly nodeId: string;
  readonly index: number;
  readonly pid: number;
}

function mediaWorkers({ processes }: Pick<Fleet, 'processes'>): MediaWorker[] {
  return [...processes]
    .filter(([name, child]) => name.startsWith('nd_') && child.process.pid !== undefined)
    .flatMap(([nodeId, child]) =>
      mediaWorkersOf(child.process.pid!).map((pid, index) => ({ nodeId, index: index + 1, pid })),
    );
}

/** Adds subscribers, some at a time. Resolves with their times to the first packet. */
async function add(count: number, join: () => Promise<number>): Promise<number[]> {
  const times: number[] = [];
  let left = count;
  const one = async (): Promise<void> => {
    while (left-- > 0) times.push(await join());
  };
  await Promise.all(Array.from({ length: Math.min(options.joining, count) }, one));
  return times;
}

const fleet = await startFleet({ sfuNodes: options.nodes, gateways: 1, port: 0, env });
const subscribers: Subscriber[] = [];
let publisher: LightPeer | undefined;
try {
  const api = new RestApi(fleet.registryUrl, fleet.apiKey);
  const [gatewayUrl] = fleet.gatewayUrls as [string];
  const room = await api.newRoom('audience', { maxParticipants: options.audience + 1, spread: true });
  publisher = await LightPeer.join({ url: gatewayUrl, room, token: await api.issueToken(room), publish: ['video'] });
  const delay = monitorEventLoopDelay();
  delay.enable();

  const growth: (string | number)[][] = [];
  let last = summarize([]);
  while (subscribers.length < options.audience) {
    const times = await add(Math.min(options.step, options.audience - subscribers.length), async () => {
      const subscriber = new Subscriber();
      const ms = await subscriber.join({ api, gatewayUrl, room });
      subscribers.push(subscriber);
      return ms;
    });
    last = summarize(times);
    growth.push([subscribers.length, ...[last.p50, last.p95, last.p99, last.max].map(round)]);
    progress(
      `${subscribers.length} of ${options.audience} subscribers, first packet after ${round(last.p50)} ms (p50)`,
    );
  }

  const workers = mediaWorkers(fleet);
  for (const subscriber of subscribers) subscriber.takeLongestGap();
  const before = workers.map(({ pid }) => cpuSecondsOf(pid));
  const ownCpu = process.cpuUsage();
  delay.reset();
  const began = performance.now();
  progress(`measuring for ${options.seconds} s`);
  await pause(options.seconds * 1000);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(ownCpu);
  const gaps = summarize(subscribers.map((each) => each.takeLongestGap()));
  const cpu = workers.map(({ pid }, index) => Math.round(((cpuSecondsOf(pid) - before[index]!) / seconds) * 100));
  delay.disable();
  endProgress();

  const problems = subscribers.flatMap((each) => each.problems);
  const [most, least] = [Math.max(...cpu), Math.min(...cpu)];
  const goals: Goal[] = [
    {
      what: `the last ${options.step} have their first packet within ${maxFirstPacketMs} ms (p95)`,
      met: last.p95 < maxFirstPacketMs,
      figure: `${round(last.p95)} ms`,
    },
    {
      what: `no media worker above ${unevenCpu.above} % while another is below ${unevenCpu.below} %`,
      met: !(most > unevenCpu.above && least < unevenCpu.below),
      figure: `${least} to ${most} %`,
    },
    { what: 'nobody loses anything', met: problems.length === 0, figure: `${problems.length} problems` },
  ];
  const onNode = new Map<string, number>();
  for (const { nodeId } of subscribers) onNode.set(nodeId, (onNode.get(nodeId) ?? 0) + 1);
  const tables = [
    {
      title: 'Time to the first packet as the audience grows',
      head: ['subscribers', 'p50 (ms)', 'p95 (ms)', 'p99 (ms)', 'max (ms)'],
      rows: growth,
    },
    {
      title: 'Longest time without a packet, of each subscriber',
      head: ['subscribers', 'p50 (ms)', 'p95 (ms)', 'p99 (ms)', 'max (ms)'],
      rows: [[gaps.count, ...[gaps.p50, gaps.p95, gaps.p99, gaps.max].map(round)]],
    },
    {
      title: 'Media workers',
      head: ['node', 'worker', 'CPU (% of a core)'],
      rows: workers.map(({ nodeId, index }, at) => [nodeId, index, cpu[at]!]),
    },
    { title: 'Nodes', head: ['node', 'subscribers'], rows: [...onNode].toSorted(([a], [b]) => (a < b ? -1 : 1)) },
    {
      title: 'Load generator',
      head: ['', ''],
      rows: [
        ['CPU (% of a core)', Math.round((user + system) / 1e4 / seconds)],
        ['event loop delay p99 (ms)', round(delay.percentile(99) / 1e6)],
      ],
    },
    ...(problems.length > 0
      ? [{ title: 'Problems', head: [''], rows: problems.slice(0, 20).map((each) => [each]) }]
      : []),
  ];
  console.log(`\n${markdown(goals, tables)}\n`);
  const heading = `one publisher and ${options.audience} subscribers`;
  writeReport(import.meta.url, { ...runInfo(), title: 'A large audience', heading, about, goals, tables }, { options });
  process.exitCode = goals.every(({ met }) => met) ? 0 : 1;
} catch (error) {
  endProgress();
  console.error(`Stopped: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  for (const subscriber of subscribers) subscriber.close();
  publisher?.close();
  await fleet.stop();
  endTransports();
}
