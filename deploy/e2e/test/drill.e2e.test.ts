import { mkdirSync } from 'node:fs';
import { type Grant, type Drill, Topology as FleetTopology, type TopologyVertex } from '@flotilla/contracts';
import { CallPage, notYet, RawClient, type RestApi, waitFor } from '@flotilla/testkit';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { picture } from './picture.ts';
import { metricsOf, useBrowser, useFaultFleet } from './use-topology.ts';

/** Updates come every second or five, later on a busy machine. */
const patience = { timeoutMs: 120_000 };
const names = ['ada', 'bob'] as const;

describe('drills from the console during a call', { timeout: 300_000 }, () => {
  let fleet: TestFleet;
  let browser: Browser;
  let api: RestApi;
  let pages: readonly [CallPage, CallPage];
  let operator: Page;
  const problems: string[] = [];

  useFaultFleet((it) => (fleet = it));
  useBrowser((it) => (browser = it));
  beforeAll(async () => {
    ({ api } = fleet);
    // The two participants are on different gateways, the console on one of them.
    pages = (await Promise.all(
      names.map((name, index) =>
        CallPage.join(browser, fleet.pageUrl, {
          room: 'standup',
          name,
          signalUrl: fleet.gatewayUrls[index]!,
        }),
      ),
    )) as never;
    await together();
    operator = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    operator.setDefaultTimeout(patience.timeoutMs);
    operator.on('pageerror', (error) => problems.push(error.message));
    await operator.goto(`${fleet.pageUrl}/topology`);
    await operator.getByTestId('key').fill(fleet.apiKey);
    await operator.getByTestId('watch').click();
    await operator.locator('.state.live').waitFor();
    mkdirSync('.results', { recursive: true });
  });
  afterAll(async () => {
    await operator?.close();
    await Promise.all(pages?.map((page) => page.close()) ?? []);
  });

  const together = async (): Promise<void> => {
    await pages[0].receivesMediaOf('bob', patience.timeoutMs);
    await pages[1].receivesMediaOf('ada', patience.timeoutMs);
  };
  const shot = (name: string): Promise<unknown> =>
    operator.screenshot({ path: `.results/drill-${name}.png`, animations: 'disabled' });
  const select = async (text: string): Promise<void> => {
    await operator.getByTestId('search').fill(text);
    await operator.keyboard.press('Enter');
    await operator.getByTestId('details').getByRole('heading', { name: text }).waitFor();
  };
  const press = (testId: string): Promise<void> => operator.getByTestId('details').getByTestId(testId).click();
  const confirmed = async (testId: string): Promise<void> => {
    await press(testId);
    await press('confirm');
  };
  /** A migration in the list of the console, of this call. */
  const migrationRow = (reason: string) =>
    operator
      .getByTestId('migrations')
      .getByRole('row', { name: new RegExp(`^(ada|bob) standup .* ${reason}`) })
      .first();
  const vertices = async (): Promise<TopologyVertex[]> =>
    FleetTopology.parse((await api.request('GET', '/v1/topology')).body).vertices;

  test('a session without the admin grant may start none', async () => {
    const ask = async (grants: Grant[], drill: Drill) => {
      const token = await api.issueFleetToken({ grants, userId: 'somebody' });
      const client = await RawClient.connect(fleet.gatewayUrls[1]!, { token });
      const answer = await client.request('drill', drill);
      client.close();
      return answer;
    };
    const kill: Drill = { kind: 'kill_node', node: 'nd_nobody' };
    expect(await ask(['publish'], kill)).toMatchObject({ ok: false, error: { code: 'FORBIDDEN' } });
    expect(await ask(['admin'], kill)).toMatchObject({ ok: false, error: { code: 'NOT_FOUND' } });
    expect(await ask(['admin'], { ...kill, session: 'ss_a' } as never)).toMatchObject({
      ok: false,
      error: { code: 'BAD_PAYLOAD' },
    });
  });

  test('the map shows the participants of a room and of a node, and their quality', async () => {
    await waitFor(
      'the quality of both sessions',
      async () => {
        const peerScore = (await vertices()).filter(
          ({ kind, ...each }) => kind === 'session' && 'media' in each && each.media.length > 0,
        );
        if (peerScore.length < 2) notYet(`${peerScore.length} have`);
      },
      patience,
    );
    await operator.getByRole('list', { name: 'Numbers of the fleet' }).getByText('2 stable').waitFor();
    await shot('at-rest');
    await select('standup');
    await operator.getByTestId('details').getByText('2 participants').waitFor();
    await shot('room');
    const { nodeId } = await pages[0].room();
    await select(nodeId!);
    await operator.getByTestId('details').getByText('2 stable, 0 degraded, 0 to move').waitFor();
    await shot('node');
  });

  test('Move: the participant is on the chosen node, and the list shows the gap that its client measured', async () => {
    await pages[0].watchMoves();
    const { nodeId: from } = await pages[0].room();
    const to = ['nd_1', 'nd_2', 'nd_3'].find((id) => id !== from)!;
    await select('ada');
    await operator.getByTestId('details').getByRole('combobox').selectOption(to);
    await press('move');
    await operator.getByTestId('result').getByText('is being moved').waitFor();
    await shot('moving');
    const row = migrationRow('manual');
    await waitFor(
      'the migration is committed',
      async () => {
        const text = await row.innerText();
        // On a busy machine a migration may time out. It is started again.
        if (/rolled back|timed out/.test(text)) await press('move');
        if (!/committed/.test(text)) notYet(text);
      },
      { timeoutMs: 240_000, everyMs: 500 },
    );
    await row
      .getByText(/^\d+ ms$/)
      .nth(1)
      .waitFor();
    expect(await pages[0].moves()).toContainEqual({ ms: expect.any(Number) as number });
    console.log(`[drill] ${await row.innerText()}`);
    await together();
    expect(await vertices()).toContainEqual(
      expect.objectContaining({
        kind: 'migration',
        reason: 'manual',
        end: 'committed',
        ms: expect.any(Number) as number,
        gapMs: expect.any(Number) as number,
      }),
    );
    await shot('moved');
  });

  test('Kill a worker: the call resumes on the same node', async () => {
    const { nodeId } = await pages[1].room();
    await select(nodeId!);
    await press('kill-worker');
    await shot('sure');
    await press('cancel');
    await confirmed('kill-worker');
    await operator.getByTestId('result').getByText('The media worker was killed').waitFor();
    await waitFor(
      'the node logs it',
      () => fleet.processes.get(nodeId!)!.lines.some((line) => /media worker died/.test(line)) || notYet('not yet'),
      patience,
    );
    await together();
    await shot('worker-killed');
  });

  test('the gateways count how long the browsers waited for media after the drill, and for the first frame of a join', async () => {
    const joining = await CallPage.join(browser, fleet.pageUrl, {
      room: 'standup',
      name: 'cleo',
      signalUrl: fleet.gatewayUrls[0]!,
    });
    const countOf = async (name: string): Promise<number> => {
      const texts = await Promise.all(['gateway-1', 'gateway-2'].map((gateway) => metricsOf(fleet, gateway)));
      const counts = texts.map((text) => new RegExp(`^${name}_count (\\d+)$`, 'm').exec(text)?.[1]);
      return counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
    };
    for (const name of ['signaling_media_recovery_seconds', 'signaling_first_frame_seconds'])
      await waitFor(`a report in ${name}`, async () => (await countOf(name)) > 0 || notYet('none'), patience);
    await joining.close();
  });

  test('Cut the socket: the session resumes and media continues, on either gateway', async () => {
    for (const page of pages) {
      await page.watchState();
      const before = await page.room();
      await select(page.name);
      await confirmed('cut-socket');
      await waitFor(
        `${page.name} has reconnected`,
        async () => {
          const seen = await page.statesSeen();
          if (!seen.includes('reconnecting') || seen.at(-1) !== 'connected') notYet(`seen: ${seen.join(', ')}`);
        },
        patience,
      );
      const after = await page.room();
      expect({ id: after.id, me: after.me }).toEqual({ id: before.id, me: before.me });
    }
    await together();
    await shot('cut');
  });

  test('Drain: the participants move to other nodes, the process exits with 0, and the console shows it', async () => {
    const { nodeId } = await pages[1].room();
    const node = fleet.processes.get(nodeId!)!;
    await select(nodeId!);
    await press('drain');
    await press('confirm');
    await operator.getByTestId('result').getByText('is draining').waitFor();
    await operator.getByTestId('drain-progress').waitFor();
    await operator.mouse.move(0, 0);
    await picture(operator, 'drill');
    expect(await node.exited).toBe(0);
    expect(node.lines.join('\n')).toMatch(/"msg":"drained"|drained/);
    await operator.getByTestId('notice').getByText(`${nodeId} was drained and has stopped.`).waitFor();
    await migrationRow('node draining').waitFor();
    await together();
    expect((await pages[1].room()).nodeId).not.toBe(nodeId);
    await shot('drained');
  });

  test('Kill a node: its participants are reassigned to another', async () => {
    const { nodeId } = await pages[0].room();
    const node = fleet.processes.get(nodeId!)!;
    expect(await api.request('POST', '/v1/drills', { kind: 'kill_node', node: nodeId })).toMatchObject({
      status: 202,
    });
    await node.exited;
    await waitFor(
      'no participant is on the killed node',
      async () => {
        for (const page of pages) if ((await page.room()).nodeId === nodeId) notYet(`${page.name} is`);
      },
      patience,
    );
    await together();
    await migrationRow('node lost').waitFor();
    await operator.getByTestId('table').click();
    await shot('table');
    expect(problems).toEqual([]);
    for (const page of pages) expect(page.problems).toEqual([]);
  });
});
