import { migrationTimeoutMs } from '@flotilla/contracts';
import { type Broker, startRabbitMq, startRedis } from '@flotilla/processes';
import { CallPage, mediaWorkersOf, notYet, RestApi, smallViewport, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { useBrowser, useOwnFleet } from './use-topology.ts';

const names = ['ada', 'bob', 'cleo'];
const redisAwayMs = 30_000;

describe('faults during migrations', () => {
  let redis: Broker;
  let rabbit: Broker;
  let fleet: TestFleet;
  let browser: Browser;
  let pages: CallPage[];
  let before: { id: string; me: string }[];

  beforeAll(async () => {
    [redis, rabbit] = await Promise.all([startRedis({ durable: true }), startRabbitMq()]);
  });
  afterAll(async () => {
    await Promise.all([redis?.stop(), rabbit?.stop()]);
  });
  useOwnFleet(
    'migration-faults',
    () => ({
      sfuNodes: 3,
      gateways: 1,
      registries: 2,
      autoscalers: 2,
      brokers: { redisUrl: redis.url, amqpUrl: rabbit.url, stop: async () => undefined },
    }),
    (it) => (fleet = it),
  );
  useBrowser((it) => (browser = it));
  beforeAll(async () => {
    await fleet.api.createRoom({ name: 'call', spread: true });
    pages = await Promise.all(
      names.map((name) => CallPage.join(browser, fleet.pageUrl, { room: 'call', name, viewport: smallViewport })),
    );
    for (const page of pages) for (const other of names) if (other !== page.name) await page.receivesMediaOf(other);
    for (const page of pages) {
      await page.watchFrames();
      await page.watchState();
    }
    before = await Promise.all(pages.map((page) => page.room()));
  });

  const api = (registry = 0): RestApi => new RestApi(fleet.registryUrls[registry]!, fleet.apiKey);
  const move = (who: number, registry: number, toNode?: string) =>
    api(registry).request('POST', `/v1/rooms/call/participants/${before[who]!.me}/migrate`, toNode ? { toNode } : {});
  const nodeOf = async (who: number): Promise<string> => (await pages[who]!.room()).nodeId!;
  /** Migrates the second of two when both are on the same node. Returns its node. */
  const apart = async (one: number, other: number): Promise<string> => {
    const from = await nodeOf(one);
    if ((await nodeOf(other)) === from) {
      expect((await move(other, 0)).status).toBe(202);
      await waitFor(
        'two different nodes',
        async () => {
          if ((await nodeOf(other)) === from) notYet(`both are on ${from}`);
        },
        { timeoutMs: migrationTimeoutMs + 10_000 },
      );
      await expectIntactCall('moved apart');
    }
    return nodeOf(other);
  };
  const kill = (name: string): void => {
    const { pid } = fleet.processes.get(name)!.process;
    for (const each of [...mediaWorkersOf(pid!), pid!]) process.kill(each, 'SIGKILL');
  };
  /** The longest gaps between frames since the last call, by publisher and viewer. */
  const takeGaps = async (): Promise<string[]> => {
    const seen = await Promise.all(
      pages.map(async (page) => (await page.takeFrameGaps()).map((gap) => ({ ...gap, by: page.name }))),
    );
    return seen.flat().map(({ by, of, longest }) => `${of} by ${by} ${Math.round(longest)}`);
  };

  /**
   * Checks that each participant receives audio and video of the others, has kept its id and never reconnected, and that no invariant of
   * the store is violated. Prints the gaps.
   */
  const expectIntactCall = async (what: string): Promise<void> => {
    for (const page of pages) {
      await page.hasTilesOf(names.filter((name) => name !== page.name));
      for (const other of names) if (other !== page.name) await page.receivesMediaOf(other, 30_000);
    }
    console.log(`${what}: longest gaps between frames, ms: ${(await takeGaps()).join(', ')}`);
    for (const [index, page] of pages.entries()) {
      const { id, me } = await page.room();
      expect({ id, me }).toEqual({ id: before[index]!.id, me: before[index]!.me });
      expect(page.problems).toEqual([]);
      expect(await page.statesSeen(), page.name).toEqual([]);
    }
    const { rooms } = await fleet.store.settled();
    expect(rooms.flatMap(({ members }) => members)).toHaveLength(names.length);
  };

  test('after a mediasoup worker is killed all participants receive media again', async () => {
    await takeGaps();
    const [worker] = mediaWorkersOf(fleet.processes.get(await nodeOf(0))!.process.pid!);
    process.kill(worker!, 'SIGKILL');
    await expectIntactCall('media worker killed');
  });

  test('after the registry that runs a migration is killed, in any step of it, the call continues', async () => {
    for (const afterMs of [0, 60, 400]) {
      await takeGaps();
      const asked = move(1, 1).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      kill('registry-2');
      await asked;
      await expectIntactCall(`registry killed ${afterMs} ms into a migration`);
      await fleet.startAgain('registry-2');
    }
  });

  test.each([
    { end: 'to', afterMs: 0 },
    { end: 'to', afterMs: 200 },
    { end: 'from', afterMs: 100 },
    { end: 'from', afterMs: 400 },
  ])(
    'after the node that a participant is migrated $end is killed $afterMs ms into the migration, the call continues',
    async ({ end, afterMs }) => {
      const toNode = await apart(0, 2);
      const killed = end === 'to' ? toNode : await nodeOf(0);
      await takeGaps();
      const asked = move(0, 0, toNode);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      kill(killed);
      await asked;
      await expectIntactCall(`node moved ${end} killed ${afterMs} ms into a migration`);
      await fleet.startAgain(killed);
    },
  );

  test('after the leading autoscaler is killed while it drains a node, the drain ends and the call continues', async () => {
    const from = await nodeOf(0);
    await takeGaps();
    const leader = leading();
    expect((await api().request('POST', `/v1/nodes/${from}/drain`)).status).toBe(200);
    kill(leader);
    await waitFor(
      `no participant is on ${from}`,
      async () => {
        for (const who of names.keys()) if ((await nodeOf(who)) === from) notYet(`${names[who]} is on ${from}`);
      },
      // A migration that times out is planned again.
      { timeoutMs: 3 * migrationTimeoutMs },
    );
    await expectIntactCall('leading autoscaler killed during a drain');
    await fleet.startAgain(leader);
    expect(await fleet.processes.get(from)!.exited).toBe(0);
    await fleet.startAgain(from);
  }, 180_000);

  test('the call continues while Redis is suspended for 30 s during migrations, and after it', async () => {
    await takeGaps();
    const asked = names.map((_, who) => move(who, 0).catch(() => undefined));
    await new Promise((resolve) => setTimeout(resolve, 100));
    redis.process.signal('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, redisAwayMs));
    const gaps = await takeGaps();
    redis.process.signal('SIGCONT');
    await Promise.all(asked);
    console.log(`Redis was suspended for ${redisAwayMs} ms: longest gaps meanwhile, ms: ${gaps.join(', ')}`);
    // Three participants, each with frames of the two others.
    expect(gaps).toHaveLength(6);
    await expectIntactCall('Redis suspended during migrations');
  });

  /** The leading autoscaler, according to the logs. */
  function leading(): string {
    const leads = ['autoscaler-1', 'autoscaler-2'].filter((name) => {
      const latest = fleet.processes.get(name)!.lines.findLast((line) => /leadership (acquired|lost)/.test(line));
      return latest?.includes('leadership acquired') ?? false;
    });
    expect(leads).toHaveLength(1);
    return leads[0]!;
  }
});
