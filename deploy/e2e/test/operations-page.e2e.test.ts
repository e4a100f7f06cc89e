import { mkdirSync } from 'node:fs';
import { newApiKey } from '@flotilla/auth';
import { createLogger } from '@flotilla/runtime';
import { RedisStore } from '@flotilla/store';
import { CallPage, RestApi } from '@flotilla/testkit';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { picture } from './picture.ts';
import { useBrowser, useFaultFleet } from './use-topology.ts';

/** A busy machine takes long for a migration. */
const patience = { timeoutMs: 120_000 };
const hostile = '<img src=x onerror="window.broken=true">';

describe('the operations page of a fleet', { timeout: 300_000 }, () => {
  let fleet: TestFleet;
  let browser: Browser;
  const problems: string[] = [];
  useFaultFleet((it) => (fleet = it));
  useBrowser((it) => (browser = it));
  let store: RedisStore;
  beforeAll(async () => {
    mkdirSync('.results', { recursive: true });
    const log = createLogger({ service: 'test', level: 'error' });
    store = await RedisStore.connect({ url: fleet.redisUrl, namespace: fleet.namespace, log });
  });
  afterAll(() => store?.close());

  async function open(key: string, viewport = { width: 1280, height: 900 }): Promise<Page> {
    const page = await browser.newPage({ viewport });
    page.setDefaultTimeout(patience.timeoutMs);
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(`${fleet.pageUrl}/operations`);
    await page.getByTestId('key').fill(key);
    await page.getByTestId('watch').click();
    await page.locator('.state.live').waitFor();
    return page;
  }
  /** By how much a page is wider than its window, px. */
  const overflow = (page: Page): Promise<number> =>
    page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  const node = (page: Page, id: string) => page.getByTestId('node').filter({ hasText: id });

  test('a node that is drained under a call shows with its migrations and their gaps, a breaker and an experiment', async () => {
    const calls = await Promise.all(
      ['ada', 'bob'].map((name) => CallPage.join(browser, fleet.pageUrl, { room: 'operated', name })),
    );
    await calls[0]!.receivesMediaOf('bob', patience.timeoutMs);
    const operator = await open(fleet.apiKey);
    await operator.getByTestId('key-name').getByText('may give orders').waitFor();
    await operator.getByTestId('scalings').getByText('the minimum').waitFor();
    await operator.getByTestId('objectives').getByText('FLOTILLA_PROMETHEUS_URL').waitFor();

    const { nodeId } = await calls[1]!.room();
    await node(operator, nodeId!).getByTestId('cordon').click();
    await operator.getByTestId('cancel').click();
    await node(operator, nodeId!).getByTestId('drain').click();
    await operator.getByTestId('confirm').click();
    const moved = operator
      .getByTestId('migration')
      .filter({ hasText: 'node draining' })
      .filter({ hasText: 'committed' });
    await moved
      .filter({ hasText: /\d+ ms\s+\d+ ms/ })
      .first()
      .waitFor();
    expect(await moved.first().innerText()).toContain(nodeId);
    expect((await calls[1]!.room()).nodeId).not.toBe(nodeId);

    const { breakers } = store;
    await breakers.report('p1', [{ caller: `gateway ${hostile}`, target: 'nd_2', state: 'open', since: Date.now() }]);
    await operator.getByTestId('breakers').getByText(`gateway ${hostile}`).waitFor();
    await fleet.api.request('POST', '/v1/experiments', { name: 'kill-sfu', summary: hostile, seconds: 60 });
    await operator.getByTestId('chaos').getByText(hostile).waitFor();
    expect(await operator.evaluate(() => 'broken' in globalThis)).toBe(false);
    await operator.screenshot({ path: '.results/operations-hostile.png', fullPage: true });
    await fleet.api.request('POST', '/v1/experiments', {
      ...{ name: 'kill-sfu', summary: 'one SFU worker and the media on it', seconds: 60 },
    });
    await breakers.report('p1', [{ caller: 'gateway-1', target: nodeId!, state: 'open', since: Date.now() }]);
    await operator.getByTestId('chaos').getByText('one SFU worker').waitFor();
    await operator.getByTestId('breakers').getByText('gateway-1').waitFor();
    await operator.setViewportSize({ width: 1280, height: 560 });
    await picture(operator, 'operations');
    await operator.emulateMedia({ colorScheme: 'dark' });
    await operator.setViewportSize({ width: 360, height: 740 });
    await operator.screenshot({ path: '.results/operations-phone.png', fullPage: true });
    expect(await overflow(operator)).toBe(0);
    await fleet.api.request('DELETE', '/v1/experiments/kill-sfu');
    await operator.getByTestId('chaos').waitFor({ state: 'detached' });
    await breakers.report('p1', []);
    await Promise.all(calls.map((call) => call.close()));
    await operator.close();
    expect(problems).toEqual([]);
  });

  test('a key that only reads sees no orders, and they are refused; an order that fails says why; the key is not kept', async () => {
    const { body } = await fleet.api.request('GET', '/v1/nodes');
    const { id } = (body as { nodes: { id: string; alive: boolean }[] }).nodes.find(({ alive }) => alive)!;
    const reader = await open(fleet.readKey);
    await reader.getByTestId('key-name').getByText('reads only').waitFor();
    await node(reader, id).waitFor();
    expect(await reader.getByRole('button').allInnerTexts()).toEqual(['Forget the key']);
    const refused = await reader.evaluate(
      async ([key, target]) => {
        const response = await fetch('console/operations/orders', {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
          body: JSON.stringify({ kind: 'drain', node: target }),
        });
        return { status: response.status, body: (await response.json()) as unknown };
      },
      [fleet.readKey, id],
    );
    expect(refused).toMatchObject({ status: 403, body: { error: { code: 'FORBIDDEN' } } });
    const direct = new RestApi(fleet.registryUrl, fleet.readKey);
    expect(await direct.request('POST', `/v1/nodes/${id}/drain`)).toMatchObject({ status: 403 });
    expect(await reader.evaluate(() => [sessionStorage.length, localStorage.length])).toEqual([0, 0]);
    await reader.reload();
    await reader.getByTestId('key').fill(newApiKey('unknown', '*').key);
    await reader.getByTestId('watch').click();
    await reader.getByRole('alert').getByText('unknown API key').waitFor();
    await reader.close();

    const operator = await open(fleet.apiKey);
    await operator.route('**/console/operations/orders', (route) =>
      route.fulfill({ status: 503, json: { error: { code: 'NODE_UNAVAILABLE', message: 'it does not answer' } } }),
    );
    await node(operator, id).getByTestId('drain').click();
    await operator.getByTestId('confirm').click();
    await operator.getByTestId('order-problem').getByText('it does not answer (NODE_UNAVAILABLE)').waitFor();
    await operator.getByTestId('cancel').click();
    await operator.close();
  });

  test('says that it is stale while the console cannot be reached, keeps what it shows, and continues afterwards', async () => {
    const page = await open(fleet.readKey);
    await page.context().setOffline(true);
    await page.getByTestId('stale').getByText('the server cannot be reached').waitFor();
    expect(await page.getByTestId('node').count()).toBeGreaterThan(0);
    await page.context().setOffline(false);
    await page.locator('.state.live').waitFor();
    await page.getByTestId('stale').waitFor({ state: 'detached' });
    await page.close();
  });

  test('shows the canary with its evidence, burn rates and alerts, and texts of the fleet as text', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('pageerror', (error) => problems.push(error.message));
    await page.route('**/console/operations', (route) => route.fulfill({ json: viewWith(hostile) }));
    await page.goto(`${fleet.pageUrl}/operations`);
    await page.getByTestId('verdict').getByText('observing for').waitFor();
    await page.getByTestId('verdict').getByText('with 5 % of the joins').waitFor();
    await page.getByTestId('canary').getByRole('row', { name: 'quality 0.100 of 40 0.310 of 12 99 % 0.2 %' }).waitFor();
    await page.getByTestId('objectives').getByRole('row', { name: 'Joins succeed 99.9 % 14× 0.5× – page' }).waitFor();
    await page.getByTestId('objectives').getByText('no answer within 3000 ms').waitFor();
    await page.getByTestId('scalings').getByText('2 → 5 nodes').waitFor();
    for (const part of ['nodes', 'canary', 'breakers', 'objectives', 'migrations'])
      expect(await page.getByTestId(part).innerText(), part).toContain(hostile);
    expect(await page.evaluate(() => 'broken' in globalThis)).toBe(false);
    for (const [name, scheme, width] of [
      ['full', 'light', 1280],
      ['full-phone', 'light', 360],
      ['full-dark', 'dark', 1280],
    ] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: 900 });
      expect(await overflow(page), name).toBe(0);
      await page.screenshot({ path: `.results/operations-${name}.png`, fullPage: true });
    }
    await page.close();
    expect(problems).toEqual([]);
  });
});

/** A reply of the console in which every text that the fleet sets is `text`. */
function viewWith(text: string): object {
  const at = Date.now();
  const node = { kind: 'node', alive: true, state: 'active', capacity: 100, reserved: 40, cpu: 0.2 };
  const side = (mean: number, samples: number) => ({ mean, samples });
  return {
    key: { name: text, scopes: ['read', 'operate'] },
    fleet: {
      at,
      nodes: [
        { ...node, id: text, version: text, hottestCpu: 0.95 },
        { ...node, id: 'nd_b', version: 'v2', drain: { startedAt: at, deadline: at + 60_000, sessions: 9, left: 4 } },
      ],
      migrations: [
        {
          ...{ id: 'mig_a', roomId: 'rm_a', sessionId: 'ss_a', participantId: text, fromNode: text, toNode: 'nd_b' },
          ...{ reason: 'drain', step: 'prepared', startedAt: at - 5000, endedAt: at - 4000, end: 'committed' },
          ...{ ms: 812, gapMs: 63 },
        },
      ],
      breakers: [{ caller: text, target: 'nd_b', state: 'half_open', since: at - 4000 }],
      canary: {
        ...{ stable: text, candidate: 'v2', share: 0.05, phase: 'observing', since: at - 300_000, excluded: ['v0'] },
        decision: { at: at - 300_000, by: 'nodes', reasons: [text, 'nodes of version v2 appeared'] },
        comparisons: [
          { measure: 'quality', stable: side(0.1, 40), candidate: side(0.31, 12), worse: 0.99, asGood: 0.002 },
        ],
        crashes: {
          stable: { crashes: 0, nodeMinutes: 120 },
          candidate: { crashes: 1, nodeMinutes: 5.5 },
          worse: 0.94,
        },
      },
      scalings: [
        { at: at - 90_000, nodes: 5, before: 2, cause: 'sessions', sessions: 400, expectedSessions: 420, cpu: 2.4 },
      ],
      experiments: [{ name: 'kill-sfu', summary: text, by: text, startedAt: at, endsAt: at + 60_000 }],
    },
    objectives: {
      ...{ prometheus: 'failed', problem: 'no answer within 3000 ms', ageMs: 42_000 },
      objectives: [
        {
          ...{ id: 'join_success', alert: 'FlotillaJoinsFail', title: 'Joins succeed', budget: 0.001 },
          ...{ burn: { '1h': 14.4, '6h': 0.5 }, firing: 'page' },
        },
        { id: 'join_time', alert: 'FlotillaJoinsSlow', title: text, budget: 0.05, burn: { '1h': 0.2, '3d': 0.1 } },
        { id: 'media_loss', alert: 'FlotillaMediaLoss', title: text, above: 0.05, unit: 'ratio', value: 0.012 },
      ],
    },
  };
}
