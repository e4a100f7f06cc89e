import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareCarriers } from './carriers.ts';
import { compareCodecs } from './codecs.ts';
import { framingOptions } from './options.ts';

const options = framingOptions();
const reports = fileURLToPath(new URL('../reports/', import.meta.url));
const rounded = (value: number) => Number(value.toPrecision(3));
const row = (of: Record<string, number>) =>
  Object.fromEntries(Object.entries(of).map(([name, value]) => [name, rounded(value)]));

console.log(`Frames of ${options.bytes} bytes, ${options.rounds} turns of ${options.frames} …`);
const codecs = compareCodecs(options);
const carriers = await compareCarriers(options);

console.log('\nOne frame, microseconds');
console.table(
  Object.fromEntries(
    codecs.flatMap(({ name, encode, decode }) => [
      [`${name}: encode`, row(encode)],
      [`${name}: decode`, row(decode)],
    ]),
  ),
);
console.log(codecs.map(({ name, bytes }) => `${name}: ${bytes} bytes`).join(', '));

console.log('\nTo a worker thread; round trips in microseconds');
console.table(
  Object.fromEntries(
    carriers.map(({ name, perSecond, roundTrip }) => [name, { 'frames/s': Math.round(perSecond), ...row(roundTrip) }]),
  ),
);
const [ring, ...others] = carriers;
for (const { name, perSecond, roundTrip } of others)
  console.log(
    `ring, ratio to ${name}: frames per second ${rounded(ring!.perSecond / perSecond)}, ` +
      `round trip p50 ${rounded(ring!.roundTrip.p50 / roundTrip.p50)}, p99 ${rounded(ring!.roundTrip.p99 / roundTrip.p99)}`,
  );

const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`;
const results = { when: new Date().toISOString(), machine, options, codecs, carriers };
mkdirSync(reports, { recursive: true });
const path = join(reports, `${results.when.replace(/[:.]/g, '-')}.json`);
writeFileSync(path, JSON.stringify(results, null, 1));
console.log(`\nReport: ${path}`);
