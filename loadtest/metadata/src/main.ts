import { availableParallelism, loadavg } from 'node:os';
import { startFleet } from '@flotilla/local-fleet';
import {
  endOnStopRequest,
  endProgress,
  markdown,
  number,
  percentile,
  progress,
  readOptions,
  runInfo,
  writeReport,
} from '@flotilla/loadtest-kit';
import { RestApi } from '@flotilla/testkit';
import { cpuOf } from './cpu.ts';
import { Bare, ClientGroup, type Turn } from './client-group.ts';
import type { Target } from './protocol.ts';

const about = `Rooms of one publisher and many subscribers over one metadata relay, over two relays (publishers on
one, subscribers on the other), and over mediasoup alone, alternating in one run.`;

const options = readOptions('bench:metadata', about, {
  rooms: number('rooms of each side', 1, 1, 500),
  subscribers: number('subscribers of each room', 50, 1, 500),
  rate: number('messages per second of each publisher', 100, 1, 1000),
  bytes: number('bytes of a message', 1024, 1, 15_000),
  seconds: number('length of a turn', 10, 1, 300),
  turns: number('turns of each side', 3, 1, 100),
  processes: number('client processes of the subscribers', 2, 1, 16),
});
const goalMs = 5;
endOnStopRequest();

const sides = ['relay', 'two relays', 'mediasoup alone'] as const;
type Side = (typeof sides)[number];

/** Rooms of a side that are connected at a time. */
const roomsAtOnce = 10;
const env = {
  FLOTILLA_SFU_CAPACITY: '100000',
  FLOTILLA_RELAY_CAPACITY: '100000',
  FLOTILLA_MAX_CONNECTIONS_PER_ADDRESS: '100000',
  FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS: '100000',
};
const fleet = await startFleet({ sfuNodes: 1, gateways: 1, relays: 0, port: 0, env });
/** Relay that publisher and subscribers of a side exclude. */
const excluded: Readonly<Record<Side, { readonly publisher: string; readonly subscribers: string }>> = {
  relay: { publisher: 'rl_2', subscribers: 'rl_2' },
  'two relays': { publisher: 'rl_2', subscribers: 'rl_1' },
  'mediasoup alone': { publisher: '', subscribers: '' },
};
const bare = await new Bare().start();
const groups = new Map<Side, ClientGroup>();
try {
  await fleet.startRelay('rl_1');
  await fleet.startRelay('rl_2');
  const api = new RestApi(fleet.registryUrl, fleet.apiKey);
  const pidOf = (relayId: string): number => fleet.processes.get(relayId)!.process.pid!;
  for (const side of sides) {
    const group = new ClientGroup(options.processes, side === 'mediasoup alone' ? bare : undefined);
    groups.set(side, group);
    const to = (room: string, exceptRelay: string): Target =>
      side === 'mediasoup alone'
        ? { kind: 'bare', room }
        : { kind: 'gateway', url: fleet.gatewayUrls[0]!, room, exceptRelay };
    const connect = async (index: number): Promise<void> => {
      const room = `load-${sides.indexOf(side)}-${index}`;
      await api.createRoom({ name: room, maxParticipants: 1000 });
      const tokens = await Promise.all(Array.from({ length: options.subscribers + 1 }, () => api.issueToken(room)));
      await group.connect(to(room, excluded[side].publisher), to(room, excluded[side].subscribers), tokens);
    };
    for (let first = 1; first <= options.rooms; first += roomsAtOnce) {
      progress(`connecting: ${side}, room ${first} of ${options.rooms}`);
      const count = Math.min(roomsAtOnce, options.rooms - first + 1);
      await Promise.all(Array.from({ length: count }, (_, index) => connect(first + index)));
    }
  }

  const results = new Map(sides.map((side) => [side, { turns: [] as Turn[], cpu: { node: 0, workers: 0 } }]));
  for (let turn = 1; turn <= options.turns; turn++)
    for (const side of sides) {
      progress(`turn ${turn} of ${options.turns}: ${side}`);
      const pids =
        side === 'mediasoup alone'
          ? [bare.pid]
          : ['rl_1', 'rl_2']
              .filter((id) => id !== excluded[side].publisher || id !== excluded[side].subscribers)
              .map(pidOf);
      const before = pids.map(cpuOf);
      const result = results.get(side)!;
      result.turns.push(
        await groups.get(side)!.turn({ perSecond: options.rate, bytes: options.bytes, seconds: options.seconds }),
      );
      for (const [index, after] of pids.map(cpuOf).entries()) {
        result.cpu.node += after.node - before[index]!.node;
        result.cpu.workers += after.workers - before[index]!.workers;
      }
    }
  endProgress();

  const under = options.turns * options.seconds;
  const figures = sides.map((side) => {
    const { turns, cpu } = results.get(side)!;
    const sorted = turns.flatMap(({ latencies }) => latencies).toSorted((a, b) => a - b);
    const at = (share: number): number => percentile(sorted, share) ?? Number.NaN;
    const due = turns.reduce((sum, { sent }) => sum + sent * options.subscribers, 0);
    return {
      side,
      p50: at(0.5),
      p95: at(0.95),
      p99: at(0.99),
      max: at(1),
      missing: due - sorted.length,
      due,
      node: cpu.node / under,
      workers: cpu.workers / under,
    };
  });
  const relay = figures[0]!;
  const ms = (value: number): string => value.toFixed(2);
  const shown = {
    title: 'Metadata relay',
    heading: `Metadata: ${options.rooms} rooms, in each ${options.rate} messages of ${options.bytes} bytes per second to ${options.subscribers} subscribers`,
    ...runInfo(),
    about: `From the publisher's call to the subscriber's callback, over loopback; clients are libdatachannel in child processes. Load average of the last minute: ${loadavg()[0]!.toFixed(1)} for ${availableParallelism()} cores.`,
    goals: [
      { what: `relay p99 below ${goalMs} ms`, met: relay.p99 < goalMs, figure: `${ms(relay.p99)} ms` },
      { what: 'no message lost', met: relay.missing === 0, figure: `${relay.missing} of ${relay.due}` },
    ],
    tables: [
      {
        title: 'Delivery time and CPU',
        head: [
          'path',
          'p50 (ms)',
          'p95 (ms)',
          'p99 (ms)',
          'max (ms)',
          'messages missing',
          'CPU of Node.js (% of a core)',
          'CPU of mediasoup (% of a core)',
        ],
        rows: figures.map(({ side, p50, p95, p99, max, missing, due, node, workers }) => [
          side,
          ms(p50),
          ms(p95),
          ms(p99),
          ms(max),
          `${missing} of ${due}`,
          (node * 100).toFixed(1),
          (workers * 100).toFixed(1),
        ]),
      },
    ],
  };
  console.log(`\n${shown.about}\n\n${markdown(shown.goals, shown.tables)}\n`);
  writeReport(import.meta.url, shown, { ...runInfo(), options, figures });
  if (shown.goals.some(({ met }) => !met)) process.exitCode = 1;
} finally {
  for (const group of groups.values()) group.stop();
  bare.stop();
  await fleet.stop();
}
