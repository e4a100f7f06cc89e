import { randomUUID } from 'node:crypto';
import type { Fleet } from '@flotilla/local-fleet';
import { createLogger } from '@flotilla/runtime';
import { brokenInvariants, RedisStore, takeInventory } from '@flotilla/store';
import { type Broker, startRabbitMq, startRedis } from '@flotilla/processes';
import { CallPage, launchBrowser, mediaWorkersOf, notYet, RestApi, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ownFleet } from './own-fleet.ts';

const names = ['ada', 'bob', 'cleo'];
const redisAwayMs = 30_000;

describe('things break while people are moved', () => {
  let redis: Broker;
  let rabbit: Broker;
  let fleet: Fleet;
  let browser: Browser;
  let store: RedisStore;
  let pages: CallPage[];
  let before: { id: string; me: string }[];

  beforeAll(async () => {
    const namespace = `fault-${randomUUID().slice(0, 8)}`;
    [redis, rabbit, browser] = await Promise.all([startRedis({ durable: true }), startRabbitMq(), launchBrowser()]);
    fleet = await ownFleet('fault', {
      sfuNodes: 3,
      gateways: 1,
      registries: 2,
      autoscalers: 2,
      brokers: { redisUrl: redis.url, amqpUrl: rabbit.url, stop: async () => undefined },
      env: { FLOTILLA_NAMESPACE: namespace },
    });
    store = await RedisStore.connect({
      url: redis.url,
      namespace,
      log: createLogger({ service: 'test', level: 'error' }),
    });
    await new RestApi(fleet.registryUrl, fleet.apiKey).createRoom({ name: 'call', spread: true });
    pages = await Promise.all(names.map((name) => CallPage.join(browser, fleet.pageUrl, { room: 'call', name })));
    for (const page of pages) for (const other of names) if (other !== page.name) await page.hearsAndSees(other);
    for (const page of pages) {
      await page.watchFrames();
      await page.watchState();
    }
    before = await Promise.all(pages.map((page) => page.room()));
  });
  afterAll(async () => {
    await browser?.close();
    await store?.close();
    await fleet?.stop();
    await Promise.all([redis?.stop(), rabbit?.stop()]);
  });

  const api = (registry = 0): RestApi => new RestApi(fleet.registryUrls[registry]!, fleet.apiKey);
  const move = (who: number, registry: number, toNode?: string) =>
    api(registry).request('POST', `/v1/rooms/call/participants/${before[who]!.me}/migrate`, toNode ? { toNode } : {});
  const nodeOf = async (who: number): Promise<string> => (await pages[who]!.room()).nodeId!;
  /** Sees to it that two are on different nodes. Returns the node of the second. */
  const apart = async (one: number, other: number): Promise<string> => {
    const from = await nodeOf(one);
    if ((await nodeOf(other)) === from) {
      expect((await move(other, 0)).status).toBe(202);
      await waitFor('they are on two nodes', async () => {
        if ((await nodeOf(other)) === from) notYet(`both are on ${from}`);
      });
      await allIsWell('moved apart');
    }
    return nodeOf(other);
  };
  const kill = (name: string): void => {
    const { pid } = fleet.processes.get(name)!.process;
    for (const each of [...mediaWorkersOf(pid!), pid!]) process.kill(each, 'SIGKILL');
  };
  /** The longest gaps between frames since the last call, by who sees whom. */
  const takeGaps = async (): Promise<string[]> => {
    const seen = await Promise.all(
      pages.map(async (page) => (await page.takeFrameGaps()).map((gap) => ({ ...gap, by: page.name }))),
    );
    return seen.flat().map(({ by, of, longest }) => `${of} by ${by} ${Math.round(longest)}`);
  };

  /** Everybody hears and sees everybody, as who they were, and the store is what it must be. Tells what they missed. */
  const allIsWell = async (what: string): Promise<void> => {
    for (const page of pages) {
      await page.seesExactly(names.filter((name) => name !== page.name));
      for (const other of names) if (other !== page.name) await page.hearsAndSees(other, 30_000);
    }
    console.log(`${what}: longest gaps between frames, ms: ${(await takeGaps()).join(', ')}`);
    for (const [index, page] of pages.entries()) {
      const { id, me } = await page.room();
      expect({ id, me }).toEqual({ id: before[index]!.id, me: before[index]!.me });
      expect(page.problems).toEqual([]);
      expect(await page.statesSeen(), page.name).toEqual([]);
    }
    // A migration that was cut short is over at its deadline.
    await waitFor(
      'the store is sound',
      async () => {
        const inventory = await takeInventory(store);
        const broken = brokenInvariants(inventory);
        if (broken.length > 0) notYet(broken.join('; '));
        if (inventory.migrations.length > 0) notYet(`${inventory.migrations[0]!.id} is under way`);
      },
      { timeoutMs: 20_000 },
    );
    expect((await takeInventory(store)).rooms.flatMap(({ members }) => members)).toHaveLength(names.length);
  };

  test('a media worker is killed', async () => {
    await takeGaps();
    const [worker] = mediaWorkersOf(fleet.processes.get(await nodeOf(0))!.process.pid!);
    process.kill(worker!, 'SIGKILL');
    await allIsWell('media worker killed');
  });

  test('the registry that moves somebody is killed, at any moment of it', async () => {
    for (const afterMs of [0, 60, 400]) {
      await takeGaps();
      const asked = move(1, 1).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      kill('registry-2');
      await asked;
      await allIsWell(`registry killed ${afterMs} ms into a migration`);
      await fleet.startAgain('registry-2');
    }
  });

  test.each([
    { end: 'to', moments: [0, 200] },
    { end: 'from', moments: [100, 400] },
  ])('the node somebody is being moved $end is killed', async ({ end, moments }) => {
    for (const afterMs of moments) {
      const toNode = await apart(0, 2);
      const killed = end === 'to' ? toNode : await nodeOf(0);
      await takeGaps();
      const asked = move(0, 0, toNode);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      kill(killed);
      await asked;
      await allIsWell(`node moved ${end} killed ${afterMs} ms into a migration`);
      await fleet.startAgain(killed);
    }
  });

  test('the planner is killed while it drains a node', async () => {
    const from = await nodeOf(0);
    await takeGaps();
    const leader = leading();
    expect((await api().request('POST', `/v1/nodes/${from}/drain`)).status).toBe(200);
    kill(leader);
    await waitFor(
      `nobody is on ${from}`,
      async () => {
        for (const who of names.keys()) if ((await nodeOf(who)) === from) notYet(`${names[who]} is on ${from}`);
      },
      { timeoutMs: 30_000 },
    );
    await allIsWell('leading planner killed during a drain');
    await fleet.startAgain(leader);
    expect(await fleet.processes.get(from)!.exited).toBe(0);
    await fleet.startAgain(from);
  });

  test('Redis stands still for half a minute while people are moved', async () => {
    await takeGaps();
    const asked = names.map((_, who) => move(who, 0).catch(() => undefined));
    await new Promise((resolve) => setTimeout(resolve, 100));
    redis.process.signal('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, redisAwayMs));
    const gaps = await takeGaps();
    redis.process.signal('SIGCONT');
    await Promise.all(asked);
    console.log(`Redis stood still for ${redisAwayMs} ms: longest gaps meanwhile, ms: ${gaps.join(', ')}`);
    // Everybody went on seeing everybody.
    expect(gaps).toHaveLength(6);
    await allIsWell('Redis stood still during migrations');
  });

  /** The autoscaler that logged last that it leads. */
  function leading(): string {
    const leads = ['autoscaler-1', 'autoscaler-2'].filter((name) => {
      const latest = fleet.processes.get(name)!.lines.findLast((line) => /leadership (acquired|lost)/.test(line));
      return latest?.includes('leadership acquired') ?? false;
    });
    expect(leads).toHaveLength(1);
    return leads[0]!;
  }
});
