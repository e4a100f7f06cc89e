import { fleet, standalone } from '@flotilla/e2e';
import {
  endOnStopRequest,
  endProgress,
  markdown,
  number,
  oneOf,
  progress,
  readOptions,
  summarize,
} from '@flotilla/loadtest-kit';
import { CallPage, launchBrowser, notYet, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { type CommandCost, type JoinCase, operationCosts, redisCosts } from './redis-costs.ts';
import { joinCosts } from './room-sizes.ts';

const about =
  'Time from the click on Join to the first decoded frame of a participant who is already in the room, and what a join costs in rooms and fleets of several sizes.';
const topologies = { standalone, fleet };
const goalMs = { p50: 300, p95: 500 };
const roomSizes = [3, 300, 3000];
const fleetSizes = [10, 100, 500, 1000];
/** Nodes of the fleet of rooms of several sizes, and members of the room in fleets of several sizes. */
const [usualNodes, usualMembers] = [100, 3];
/** Time of Redis for a join, p50, and bytes of its reply. */
const costGoal = { microseconds: 80, bytes: 32_768 };
const {
  joins,
  topology: only,
  measure: chosen,
  samples,
} = readOptions('bench:join', about, {
  joins: number('joins to measure on each topology', 30, 1, 1000),
  topology: oneOf('default: both, one after the other', ['standalone', 'fleet']),
  measure: oneOf('default: all; redis needs nothing but Redis', ['frames', 'costs', 'redis']),
  samples: number('joins to measure with each number of nodes and members (redis)', 500, 10, 100_000),
});
endOnStopRequest();

async function measure(topology: Topology, browser: Browser): Promise<number[]> {
  const room = `bench-${Date.now().toString(36)}`;
  const host = await CallPage.join(browser, topology.pageUrl, { room, name: 'host' });
  const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
  const page = await context.newPage();
  const samples: number[] = [];
  try {
    for (let join = 1; join <= joins; join++) {
      await page.goto(topology.pageUrl);
      await page.getByTestId('name').fill('guest');
      await page.getByTestId('room').fill(room);
      await page.getByTestId('join').click();
      const ms = await waitFor(
        'the first frame',
        () =>
          page
            .evaluate(() => {
              const at = (name: string): number | undefined => performance.getEntriesByName(name)[0]?.startTime;
              const [from, to] = [at('flotilla:join'), at('flotilla:first-frame')];
              return from !== undefined && to !== undefined ? to - from : null;
            })
            .then((value) => value ?? notYet('there is none')),
        { timeoutMs: 20_000 },
      );
      samples.push(ms);
      progress(`${topology.name}: join ${join} of ${joins}: ${Math.round(ms)} ms`);
      await page.getByTestId('leave').click();
      await host.hasTilesOf([]);
    }
  } finally {
    endProgress();
    await context.close();
    await host.close();
  }
  return samples;
}

async function printFrames(): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const start of only ? [topologies[only]] : Object.values(topologies)) {
    const topology = await start();
    const browser = await launchBrowser();
    try {
      const { count, ...times } = summarize(await measure(topology, browser));
      const [p50, p95, max] = [times.p50, times.p95, times.max].map(Math.round) as [number, number, number];
      rows.push([topology.name, count, p50, p95, max, p50 < goalMs.p50 && p95 < goalMs.p95 ? 'met' : 'missed']);
    } finally {
      await browser.close();
      await topology.stop();
    }
  }
  console.log(`
Click to first decoded remote frame (goal: p50 < ${goalMs.p50} ms, p95 < ${goalMs.p95} ms)

${markdown([], [{ head: ['topology', 'joins', 'p50 (ms)', 'p95 (ms)', 'max (ms)', 'goal'], rows }])}
`);
}

async function printCosts(): Promise<void> {
  const costs = await joinCosts(roomSizes, joins);
  const rows = costs.map((each) => [each.members, each.joins, each.redisMicroseconds, each.replyBytes]);
  console.log(`
Cost of a join with media, by the number of members of the room; of ten members one publishes

${markdown([], [{ head: ['members', 'joins', 'Redis, p50 (µs)', 'reply, p50 (bytes)'], rows }])}
`);
}

const timesOf = ({ p50, p95, p99, mean, cpu }: CommandCost): number[] => [p50, p95, p99, mean, cpu].map(Math.round);

async function printRedisCosts(): Promise<void> {
  const rooms = [
    { members: 0, spread: false },
    { members: usualMembers, spread: false },
    { members: usualMembers, spread: true },
  ];
  const cases: JoinCase[] = [
    ...fleetSizes.flatMap((nodes) => rooms.map((room) => ({ nodes, ...room }))),
    ...roomSizes.map((members) => ({ nodes: usualNodes, members, spread: false })),
  ];
  const costs = await redisCosts(cases, samples);
  const rows = costs.map(({ nodes, members, spread, join, empty, replyBytes }) => [
    ...[nodes, members, spread ? 'yes' : 'no', ...timesOf(join)],
    ...[...timesOf(empty).filter((_, index) => index !== 1 && index !== 2), replyBytes],
    join.p50 < costGoal.microseconds && replyBytes < costGoal.bytes ? 'met' : 'missed',
  ]);
  const head = ['nodes', 'members', 'spread', 'p50 (µs)', 'p95 (µs)', 'p99 (µs)', 'mean (µs)', 'CPU (µs)'];
  const baseline = ['empty EVALSHA, p50 (µs)', 'mean (µs)', 'CPU (µs)'];
  console.log(`
Time of Redis for a join, ${samples} joins in each row, beside an empty EVALSHA (goal: p50 < ${costGoal.microseconds} µs, reply < ${costGoal.bytes} bytes).
CPU: of the main thread of Redis, with reading the request and writing the reply.

${markdown([], [{ head: [...head, ...baseline, 'reply, p50 (bytes)', 'goal'], rows }])}
`);
  const operations = await operationCosts(usualNodes, usualMembers, samples);
  const operationRows = operations.map(({ operation, cost }) => [...[operation, ...timesOf(cost)]]);
  console.log(`
Time of Redis for other work, ${samples} of each, ${usualNodes} nodes, rooms of up to ${usualMembers}

${markdown([], [{ head: ['work', ...head.slice(3)], rows: operationRows }])}
`);
}

if (chosen === undefined || chosen === 'frames') await printFrames();
if (chosen === undefined || chosen === 'costs') await printCosts();
if (chosen === undefined || chosen === 'redis') await printRedisCosts();
