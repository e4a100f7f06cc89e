import { writeFileSync } from 'node:fs';
import { writeReport } from '@flotilla/loadtest-kit';
import { onStopRequest } from '@flotilla/processes';
import { Bench } from './bench.ts';
import { benchOptions } from './options.ts';
import { report, summary } from './report.ts';
import type { Results, Second } from './results.ts';

const options = benchOptions();

const figure = (value: number | null): string => (value === null ? '   -' : value.toFixed(1).padStart(4));
const percent = (value: number): string => `${Math.round(value * 100)} %`.padStart(5);

function show({ at, phase, inRoom, joined, join: joins, dispatch, cpu, rssMb, loopDelayMs }: Second): void {
  const times = phase.startsWith('join')
    ? `${String(joined).padStart(4)} joined, p50 ${figure(joins.p50)} p99 ${figure(joins.p99)} ms`
    : `dispatch p50/p99 flotilla ${figure(dispatch.flotilla.p50)}/${figure(dispatch.flotilla.p99)} bare ${figure(dispatch.bare.p50)}/${figure(dispatch.bare.p99)} ms`;
  console.log(
    `${at.toFixed(0).padStart(4)} s  ${phase.padEnd(14)}  ${String(inRoom.flotilla).padStart(5)}+${String(inRoom.bare).padEnd(5)}  ${times}  gateway ${percent(cpu.flotilla)} ${rssMb.flotilla.toFixed(0)} MB loop ${figure(loopDelayMs.flotilla)} ms  machine ${percent(cpu.machine)} others ${percent(cpu.others)}`,
  );
}

const bench = new Bench(options, show);
const aborted = new Promise<never>((_, reject) => {
  const abort = (reason: string): void => reject(new Error(reason));
  setTimeout(() => abort(`not finished after ${options.limit} minutes (--limit)`), options.limit * 60_000).unref();
  onStopRequest(() => abort('stopped'));
});

function save(results: Results): void {
  console.log(`\n${summary(results)}\n`);
  const path = writeReport(import.meta.url, report(results), results);
  for (const { phase, raw } of bench.profiles) writeFileSync(`${path}.${phase}.cpuprofile`, JSON.stringify(raw));
}

try {
  console.log('Starting Redis, RabbitMQ, the services and the bare server …');
  save(await Promise.race([bench.run(), aborted]));
} catch (error) {
  console.error(`\nNo results: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  await bench.stop();
  process.exit();
}
