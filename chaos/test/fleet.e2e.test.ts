import { readFileSync, rmSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endTransports } from '@flotilla/light-peer';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FleetDriver } from '../src/drivers/fleet/fleet-driver.ts';
import { type Experiment, experiments, lasting } from '../src/manifests/experiment.ts';
import { readProbes } from '../src/manifests/probes.ts';
import { writeReport } from '../src/report/write-report.ts';
import { runExperiment, type RunResult } from '../src/run.ts';

const named = (name: string): Experiment => experiments().find((each) => each.name === name)!;
/** The same experiment in less time. On a busy machine the call need not be steady before it. */
const short = (name: string, durationMs: number): Experiment => {
  const experiment = lasting(named(name), durationMs);
  return { ...experiment, probes: experiment.probes.filter(({ phase }) => phase !== 'before'), recoveryMs: 1500 };
};

describe('an experiment on a fleet of processes, under calls of light peers', () => {
  let driver: FleetDriver;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'flotilla-chaos-'));
    driver = await FleetDriver.start({ processes: 1, sfuNodes: 2 });
  });
  afterAll(async () => {
    endTransports();
    await driver?.close();
    rmSync(folder, { recursive: true });
  });

  const run = (experiment: Experiment): Promise<RunResult> =>
    runExperiment(experiment, driver, { beforeMs: 1500, rooms: 1 });

  test('an SFU worker is killed: media is lost and comes back, the process is started again, and the report says so', async () => {
    const running = run(short('kill-sfu', 5000));
    const announced = async (): Promise<unknown> =>
      ((await driver.urls.api.request('GET', '/v1/operations')).body as { experiments: unknown }).experiments;
    await waitFor(
      'the experiment is announced',
      async () => ((await announced()) as unknown[]).length === 1 || notYet('it is not'),
      { timeoutMs: 60_000 },
    );
    expect(await announced()).toMatchObject([{ name: 'kill-sfu', by: 'API key operator' }]);
    const result = await running;
    expect(await announced()).toEqual([]);
    const what = result.events.map((event) => event.what);
    expect(what.join('\n')).toMatch(/nd_\d killed \(SIGKILL\)[^]*its media was lost[^]*the fault is over/);
    expect(what.join('\n')).toMatch(/nd_\d started again/);
    // The gap shows that the fault has hit the calls.
    const gaps = (phase: 'during' | 'after') =>
      result.gaps.filter(({ atMs }) => atMs >= result.spans[phase]!.fromMs && atMs <= result.spans[phase]!.toMs);
    expect(Math.max(...gaps('during').map(({ gapMs }) => gapMs))).toBeGreaterThan(200);
    expect(
      gaps('after')
        .slice(-2)
        .map(({ silent }) => silent),
    ).toEqual([false, false]);
    expect(
      result.probes.find(({ probe }) => probe.text === 'silent_participants == 0' && probe.phase === 'after'),
    ).toMatchObject({
      outcome: 'held',
      figure: '0',
    });
    const path = writeReport(result, join(folder, 'kill-sfu'));
    expect(readFileSync(path, 'utf8')).toContain(`# kill-sfu: ${result.verdict}`);
    expect(['held', 'violated']).toContain(result.verdict);
  });

  test('Redis answers 500 ± 100 ms late for 10 s: joins are as much slower, calls go on, and every probe is measured', async () => {
    const experiment = short('delay-redis', 10_000);
    const result = await run(experiment);
    const { fromMs, toMs } = result.spans.during!;
    const joins = result.requests.filter(
      ({ kind, atMs, error }) => kind === 'join' && error === undefined && atMs >= fromMs && atMs <= toMs,
    );
    // A join takes at least one round trip. The first may have been sent before the paths were impaired.
    expect(Math.min(...joins.slice(1).map(({ ms }) => ms))).toBeGreaterThan(400);
    expect(result.events.filter(({ isProblem }) => isProblem)).toEqual([]);
    expect(result.probes.filter(({ outcome }) => outcome === 'not measured')).toEqual([]);
    expect(result.objectives.during?.find(({ id }) => id === 'join_success')?.events).toBeGreaterThan(0);
    expect(['held', 'violated']).toContain(result.verdict);
    writeReport(result, join(folder, 'delay-redis'));
    expect(readFileSync(join(folder, 'delay-redis', 'timeline.svg'), 'utf8')).toMatch(/^<svg/);
  });

  test('without a steady state the fault is not begun', async () => {
    const probes = readProbes('before: gap_ms < 0\nduring: gap_ms <= 1000');
    const result = await run({ ...short('kill-sfu', 5000), probes });
    expect(result).toMatchObject({
      verdict: 'not started',
      reason: expect.stringContaining('gap_ms < 0') as string,
    });
    expect(result.events.map(({ what }) => what).join('\n')).not.toContain('killed');
  });
});
