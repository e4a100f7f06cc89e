import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { codecs } from './codecs.ts';
import { measure } from './measure.ts';
import { rtpOptions } from './options.ts';

const options = rtpOptions();
setFlagsFromString('--expose-gc');
globalThis.gc = runInNewContext('gc') as typeof globalThis.gc;

const rounded = (value: number) => Number(value.toPrecision(3));
console.log(`Video frames of ${options.bytes} bytes, ${options.rounds} rounds of ${options.frames} frames …`);
const results = codecs.map((codec) => measure(codec, options));

console.log('\nOne packet');
console.table(
  Object.fromEntries(
    results.flatMap(({ codec, packetsPerFrame, send, receive }) =>
      Object.entries({ send, receive }).map(([direction, { p50, p95, p99, heapBytes }]) => [
        `${codec}: ${direction}`,
        {
          'packets/frame': packetsPerFrame,
          'p50 (µs)': rounded(p50),
          'p95 (µs)': rounded(p95),
          'p99 (µs)': rounded(p99),
          'heap (bytes)': rounded(heapBytes),
        },
      ]),
    ),
  ),
);

const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`;
const report = { when: new Date().toISOString(), machine, options, results };
const reports = fileURLToPath(new URL('../reports/', import.meta.url));
mkdirSync(reports, { recursive: true });
const path = join(reports, `${report.when.replace(/[:.]/g, '-')}.json`);
writeFileSync(path, JSON.stringify(report, null, 1));
console.log(`\nReport: ${path}`);
