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
  'What forwarding costs: one publisher and many subscribers on one media worker, through an SFU node as it is deployed and through bare mediasoup, in turns in one run. CPU per forwarded packet.';
const { subscribers, pairs, seconds, bitrate } = readOptions('bench:forwarding', about, {
  subscribers: number('subscribers of the one publisher, on each side', 40, 1, 200),
  pairs: number('pairs of rounds', 10, 1, 200),
  seconds: number('seconds a round', 4, 1, 60),
  bitrate: number('kbit/s of the video', 3000, 100, 20_000),
});
endOnStopRequest();
/** After the media begins, before it is measured. */
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
  // The first is warmed up for nothing.
  for (let pair = 0; pair <= pairs; pair++) {
    const order = pair % 2 === 0 ? [stack, bare] : [bare, stack];
    for (const side of order) {
      const round = await measure(side, pair);
      if (pair > 0) rounds.push(round);
      const { workerMs, nodeMs, forwarded } = round;
      progress(
        `pair ${pair} of ${pairs}, ${side.name}: ${(((workerMs + nodeMs) * 1000) / forwarded).toFixed(2)} µs a packet, ${Math.round(forwarded / round.seconds)} packets a second`,
      );
    }
  }
} finally {
  endProgress();
  for (const side of sides) side.close();
  endTransports();
}
const { verdicts, tables, plots } = results(rounds);
console.log(`\n${markdown(verdicts, tables)}\n`);
const { when, machine } = runInfo();
writeReport(
  import.meta.url,
  {
    title: 'Forwarding',
    heading: 'What forwarding costs',
    when,
    machine,
    about: `${subscribers} subscribers, ${bitrate} kbit/s of video, ${pairs} pairs of ${seconds} s`,
    verdicts,
    plots,
    tables,
  },
  rounds,
);
