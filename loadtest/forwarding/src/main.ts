import { setTimeout as pause } from 'node:timers/promises';
import { endTransports } from '@flotilla/light-peer';
import {
  endOnStopRequest,
  endProgress,
  markdown,
  number,
  progress,
  readOptions,
  runInfo,
  writeReport,
} from '@flotilla/loadtest-kit';
import { type Round, results } from './report.ts';
import { type SideName, SideProcess } from './side-process.ts';

const about =
  'CPU per forwarded packet: one publisher and many subscribers on one mediasoup worker, alternating between an SFU node as deployed and bare mediasoup in one run.';
const { subscribers, pairs, seconds, bitrate } = readOptions('bench:forwarding', about, {
  subscribers: number('subscribers on each side', 40, 1, 200),
  pairs: number('pairs of rounds', 10, 1, 200),
  seconds: number('duration of a round, in seconds', 4, 1, 60),
  bitrate: number('bit rate of the video, in kbit/s', 3000, 100, 20_000),
});
endOnStopRequest();
/** Time between the start of the media and the measurement. */
const settleMs = 500;

async function measure(side: SideProcess, pair: number): Promise<Round> {
  await side.resume();
  await pause(settleMs);
  const before = { at: performance.now(), cpu: side.cpu, ...side.packets };
  await pause(seconds * 1000);
  const { cpu } = side;
  const { sent, received } = side.packets;
  const ms = performance.now() - before.at;
  side.pause();
  return {
    side: side.name,
    pair,
    seconds: ms / 1000,
    workerMs: cpu.worker - before.cpu.worker,
    nodeMs: cpu.node - before.cpu.node,
    forwarded: (sent - before.sent) * side.subscribers,
    received: received - before.received,
  };
}

const sides: SideProcess[] = [];
const rounds: Round[] = [];
try {
  const start = async (name: SideName): Promise<SideProcess> => {
    progress(`${subscribers} subscribers connect to ${name}`);
    const side = await SideProcess.start(name, subscribers, bitrate * 1000);
    sides.push(side);
    return side;
  };
  const [stack, bare] = [await start('stack'), await start('bare')];
  // Pair 0 is a warm-up and not counted.
  for (let pair = 0; pair <= pairs; pair++) {
    const order = pair % 2 === 0 ? [stack, bare] : [bare, stack];
    for (const side of order) {
      const round = await measure(side, pair);
      if (pair > 0) rounds.push(round);
      const { workerMs, nodeMs, forwarded } = round;
      progress(
        `pair ${pair} of ${pairs}, ${side.name}: ${(((workerMs + nodeMs) * 1000) / forwarded).toFixed(2)} µs per packet, ${Math.round(forwarded / round.seconds)} packets/s`,
      );
    }
  }
} finally {
  endProgress();
  for (const side of sides) side.close();
  endTransports();
}
const { goals, tables, plots } = results(rounds);
console.log(`\n${markdown(goals, tables)}\n`);
const { when, machine } = runInfo();
writeReport(
  import.meta.url,
  {
    title: 'Forwarding',
    heading: 'CPU per forwarded packet',
    when,
    machine,
    about: `${subscribers} subscribers, ${bitrate} kbit/s of video, ${pairs} pairs of ${seconds} s`,
    goals,
    plots,
    tables,
  },
  rounds,
);
