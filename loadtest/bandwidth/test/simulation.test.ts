import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Contender, contenders } from '../src/contenders.ts';
import { goals } from '../src/goals.ts';
import { picture } from '../src/picture.ts';
import { type RunResult, simulate } from '../src/simulate.ts';
import { documentTables, tablesBegin, tablesEnd } from '../src/table.ts';
import { traces } from '../src/traces.ts';

const traceOf = (name: string) => traces.find((trace) => trace.name === name)!;
const contenderOf = (name: Contender['name']) => contenders.find((contender) => contender.name === name)!;

const known = new Map<string, RunResult>();
/** A run, made once. */
function run(trace: string, contender: Contender['name'], seed = 1): RunResult {
  const key = [trace, contender, seed].join();
  const result = known.get(key) ?? simulate(traceOf(trace), contenderOf(contender), seed);
  known.set(key, result);
  return result;
}

const all = traces.flatMap((trace) => contenders.map((contender) => run(trace.name, contender.name)));

describe('simulated link', () => {
  test('the same seed gives the same run, another seed another', () => {
    expect(simulate(traceOf('cell'), contenderOf('gcc'), 1)).toEqual(run('cell', 'gcc'));
    expect(run('cell', 'gcc', 2).targets).not.toEqual(run('cell', 'gcc').targets);
  });

  test.each(traces.map(({ name }) => name))('%s: the oracle uses 0.9 of it, and nobody more than there is', (name) => {
    const competes = traceOf(name).competitor !== undefined;
    for (const { trace, contender, use } of all) {
      if (trace !== name) continue;
      if (contender === 'oracle') expect(use).toBeGreaterThan(0.9);
      expect(use, contender).toBeLessThanOrEqual(competes ? 2 : 1.01);
    }
  });

  test('a queue holds no more than its depth', () => {
    for (const { trace, queueP99Ms } of all)
      if (traceOf(trace).name === 'shallow queue') expect(queueP99Ms).toBeLessThanOrEqual(30);
  });

  test('random loss and bursts lose what they say', () => {
    for (const [trace, low, high] of [
      ['random loss', 0.025, 0.035],
      ['bursts', 0.01, 0.03],
    ] as const) {
      const { loss } = run(trace, 'oracle');
      expect(loss).toBeGreaterThan(low);
      expect(loss).toBeLessThan(high);
    }
  });
});

describe.each([1, 2, 3])('gcc with feedback on packets, seed %i', (seed) => {
  const gcc = (trace: string): RunResult => run(trace, 'gcc', seed);

  test('uses 0.8 of a steady link with a queue below 50 ms at p95, whatever the depth of the queue', () => {
    for (const trace of ['steady', 'deep queue', 'shallow queue', 'wide']) {
      const { use, queueP95Ms } = gcc(trace);
      expect(use, trace).toBeGreaterThanOrEqual(0.8);
      expect(queueP95Ms, trace).toBeLessThan(50);
    }
  });

  test('reaches 90 % of a wide link within 3 s', () => {
    expect(gcc('wide').reachedMs).toBeLessThanOrEqual(3000);
  });

  test('a source that sends little costs no estimate: 90 % of the link within 3 s', () => {
    expect(gcc('quiet source').reachedMs).toBeLessThanOrEqual(3000);
  });

  test('uses 0.7 of links with loss that does not come from congestion', () => {
    for (const trace of ['random loss', 'bursts']) expect(gcc(trace).use, trace).toBeGreaterThanOrEqual(0.7);
  });

  test('finds an increase of the capacity within 10 s', () => {
    for (const trace of ['steps', 'big step']) expect(gcc(trace).reachedMs, trace).toBeLessThanOrEqual(10_000);
  });

  test('gets at least half of its share beside a flow of its kind or a TCP-like transfer', () => {
    for (const trace of ['two flows', 'tcp']) expect(gcc(trace).use, trace).toBeGreaterThanOrEqual(0.5);
  });
});

describe('gcc with receiver reports alone', () => {
  test('uses 0.8 of steady links, also with jitter', () => {
    for (const trace of ['steady', 'wide', 'jitter', 'shallow queue'])
      expect(run(trace, 'gcc, reports').use, trace).toBeGreaterThanOrEqual(0.8);
  });
});

describe('report', () => {
  test('meets its goals', () => {
    expect(goals(all).filter(({ met }) => !met)).toEqual([]);
  });

  test('docs/bandwidth.md has the tables of this code', () => {
    const text = readFileSync(new URL('../../../docs/bandwidth.md', import.meta.url), 'utf8');
    const written = text.slice(text.indexOf(tablesBegin) + tablesBegin.length, text.indexOf(tablesEnd));
    const cells = (table: string): string[] =>
      table
        .split('\n')
        .filter((line) => line.startsWith('|') && !/^\| *-/.test(line))
        .map((line) => line.replaceAll(/ *\| */g, '|'));
    expect(cells(written)).toEqual(cells(documentTables(all)));
  });

  test('pictures are SVG files without values that are no numbers', () => {
    for (const trace of traces) {
      const svg = picture(
        trace,
        all.filter((each) => each.trace === trace.name),
      );
      expect(svg).toMatch(/^<svg [^]*<\/svg>\n$/);
      expect(svg).not.toMatch(/NaN|undefined|Infinity/);
      expect(svg.length).toBeLessThan(64 * 1024);
    }
  });
});
