import {
  applyTopologyUpdate,
  participantIdOf,
  Topology as FleetTopology,
  TopologyUpdate,
  type TopologyVertex,
} from '@flotilla/contracts';
import { enter, notYet, RawClient, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { picture } from './picture.ts';
import { topologies, useBrowser, useFleet, useStandalone } from './use-topology.ts';

/** An update comes every 5 s. */
const updates = { timeoutMs: 15_000 };

const joined = (topology: Topology, room: string, userId: string, gateway = 0): Promise<RawClient> =>
  enter(topology, room, gateway, { userId });

async function watching(topology: Topology): Promise<{ client: RawClient; vertices: () => TopologyVertex[] }> {
  const token = await topology.api.issueFleetToken({ grants: ['admin'], userId: 'operator' });
  const client = await RawClient.connect(topology.signalUrls[0]!, { token });
  expect(await client.request('watch_topology')).toMatchObject({ ok: true });
  const vertices = (): TopologyVertex[] => {
    const known = new Map<string, TopologyVertex>();
    for (const { type, payload } of client.events)
      if (type === 'topology_update') applyTopologyUpdate(known, TopologyUpdate.parse(payload));
    return [...known.values()];
  };
  return { client, vertices };
}

describe.each(topologies)('the topology of the %s', (_name, use) => {
  let topology: Topology;
  use((it) => (topology = it));

  test('is sent to a session with the admin grant: first all of it, then the changes', async () => {
    await topology.api.createRoom({ name: 'watched' });
    const ada = await joined(topology, 'watched', 'ada');
    const { client, vertices } = await watching(topology);
    const seen = (what: string, matches: (vertex: TopologyVertex) => boolean) =>
      waitFor(what, () => vertices().find(matches) ?? notYet(JSON.stringify(vertices())), updates);

    await seen('ada', (each) => each.kind === 'session' && each.userId === 'ada' && each.rooms.length === 1);
    // The history of migrations is that of all tests.
    const kinds = new Set(vertices().map(({ kind }) => kind));
    kinds.delete('migration');
    expect(kinds).toEqual(new Set(['gateway', 'node', 'room', 'session']));
    const grace = await joined(topology, 'watched', 'grace', 1);
    await seen('two in the room', (each) => each.kind === 'room' && each.name === 'watched' && each.participants === 2);
    const session = await seen('grace', (each) => each.kind === 'session' && each.userId === 'grace');
    grace.close();
    await waitFor(
      'the session has ended',
      () => vertices().some(({ id }) => id === session.id) && notYet('it is listed'),
      updates,
    );
    const received = client.events.filter(({ type }) => type === 'topology_update');
    expect(received.filter(({ payload }) => payload['reset'])).toHaveLength(1);

    expect(await client.request('unwatch_topology')).toMatchObject({ ok: true });
    ada.close();
    client.close();
  });

  test('is refused to a session without the admin grant', async () => {
    await topology.api.createRoom({ name: 'curious' });
    const curious = await joined(topology, 'curious', 'curious');
    expect(await curious.request('watch_topology')).toMatchObject({ ok: false, error: { code: 'FORBIDDEN' } });
    curious.close();
  });

  test('shows an active negotiation', async () => {
    await topology.api.createRoom({ name: 'pair', peerToPeer: true });
    const clients = [await joined(topology, 'pair', 'ada'), await joined(topology, 'pair', 'grace', 1)] as const;
    const [offerer, answerer] = await Promise.all(
      clients.map(async (client) => participantIdOf((await client.event('welcome')).payload['sessionId'] as string)),
    );
    const offer = {
      kind: 'offer',
      peer: answerer,
      sdp: 'v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n',
    };
    expect(await clients[0].request('negotiate', offer, 'room:pair')).toMatchObject({ ok: true });
    const { body } = await topology.api.request('GET', '/v1/topology');
    const negotiation = FleetTopology.parse(body).vertices.find(({ kind }) => kind === 'negotiation');
    const participants = [offerer!, answerer!].toSorted();
    const state = participants[0] === offerer ? 'have-local-offer' : 'have-remote-offer';
    expect(negotiation).toMatchObject({ participants, state });
    for (const client of clients) client.close();
  });

  test('is served over REST, as JSON and as Mermaid, to callers with an API key', async () => {
    await topology.api.createRoom({ name: 'drawn' });
    const { status, body } = await topology.api.request('GET', '/v1/topology');
    expect(status).toBe(200);
    const { vertices } = FleetTopology.parse(body);
    expect(vertices.filter(({ kind }) => kind === 'gateway')).toHaveLength(topology.signalUrls.length);
    expect(vertices.filter(({ kind }) => kind === 'node')).toHaveLength(2);
    for (const answer of [
      await topology.api.request('GET', '/v1/topology?format=mermaid'),
      await topology.api.request('GET', '/v1/topology', undefined, { accept: 'text/vnd.mermaid' }),
    ])
      expect(answer).toMatchObject({
        status: 200,
        body: expect.stringMatching(/^flowchart LR\n[^]*drawn<br\/>0 participants/),
      });
    expect(await topology.api.request('GET', '/v1/topology?format=svg')).toMatchObject({ status: 400 });
    const { status: withoutKey } = await fetch(new URL('/v1/topology', topology.api.url));
    expect(withoutKey).toBe(401);
  });
});

describe('the topology page', () => {
  let topology: Topology;
  let browser: Browser;
  useStandalone((it) => (topology = it));
  useBrowser((it) => (browser = it));

  test('shows gateways, nodes, rooms and sessions, and finds them, by keyboard alone', async () => {
    const words = ['standup', 'design', 'sales', 'retro', 'clinic', 'support', 'hiring', 'demo'];
    const clients: RawClient[] = [];
    for (const [index, word] of words.entries()) {
      await topology.api.createRoom({ name: word });
      for (let person = 0; person <= index % 4; person++)
        clients.push(await joined(topology, word, `${word}-${person}`));
    }
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(`${topology.pageUrl}/topology`);
    await page.locator('.state.live').waitFor();
    await page.getByRole('img', { name: /1 gateway, 8 rooms, 21 sessions, 2 SFU nodes/ }).waitFor();

    await page.getByTestId('search').focus();
    await page.keyboard.type('retro-3');
    await page.keyboard.press('Enter');
    const details = page.getByTestId('details');
    await details.getByRole('heading', { name: 'retro-3' }).waitFor();
    await details.getByRole('button', { name: 'retro', exact: true }).click();
    await details.getByText('Sessions (4)').waitFor();
    await page.keyboard.press('Escape');
    await details.waitFor({ state: 'detached' });

    await page.getByTestId('table').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('table', { name: 'Gateways (1)' }).waitFor();
    await page.getByRole('table', { name: 'SFU nodes (2)' }).getByRole('button', { name: 'nd_local-1' }).waitFor();
    await page
      .getByRole('table', { name: 'Rooms (8)' })
      .getByRole('row', { name: /^standup 1 / })
      .waitFor();
    const late = await joined(topology, 'standup', 'late');
    await page.getByRole('row', { name: /^standup 2 / }).waitFor();
    for (const client of [...clients, late]) client.close();
    expect(problems).toEqual([]);
    await page.close();
  });

  test('fits a phone without horizontal scrolling', async () => {
    const page = await browser.newPage({ viewport: { width: 360, height: 740 } });
    await page.goto(`${topology.pageUrl}/topology`);
    await page.locator('.state.live').waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(
      0,
    );
    await page.close();
  });
});

describe('the topology page of a fleet with API keys', () => {
  let topology: Topology;
  let browser: Browser;
  useFleet((it) => (topology = it));
  useBrowser((it) => (browser = it));

  test('asks for an API key, refuses a wrong one, and forgets the correct one when it is loaded again', async () => {
    const page = await browser.newPage();
    await page.goto(`${topology.pageUrl}/topology`);
    const key = page.getByTestId('key');
    await key.fill('not-a-key');
    await page.getByTestId('watch').click();
    await page.getByRole('alert').waitFor();
    await key.fill(topology.api.apiKey!);
    await page.getByTestId('watch').click();
    await page.locator('.state.live').waitFor();
    expect(await page.evaluate(() => [sessionStorage.length, localStorage.length])).toEqual([0, 0]);
    await page.reload();
    await key.waitFor();
    await page.close();
  });

  test('shows 1,000 sessions in 100 rooms and finds one of them', async () => {
    const words = ['standup', 'design', 'sales', 'retro', 'clinic', 'support', 'hiring', 'demo', 'yoga', 'lecture'];
    const rooms = Array.from({ length: 100 }, (_, index) => `${words[index % words.length]}-${index + 1}`);
    for (const name of rooms) await topology.api.createRoom({ name, spread: name.startsWith('lecture') });
    // Rooms of 1 to 19 sessions, 10 on average.
    const seats = rooms.flatMap((room, index) => Array.from({ length: 1 + ((index * 7) % 19) }, () => room));
    while (seats.length < 1000) seats.push(rooms[seats.length % rooms.length]!);
    const waiting = seats.slice(0, 1000).entries();
    const clients: RawClient[] = [];
    const comeIn = async (): Promise<void> => {
      for (const [index, room] of waiting) clients.push(await joined(topology, room, `user-${index}`, index));
    };
    await Promise.all(Array.from({ length: 16 }, comeIn));

    const page = await browser.newPage({ viewport: { width: 960, height: 620 } });
    await page.goto(`${topology.pageUrl}/topology`);
    await page.getByTestId('key').fill(topology.api.apiKey!);
    const startedAt = performance.now();
    await page.getByTestId('watch').click();
    await page.getByRole('img', { name: /2 gateways, 100 rooms, 1,001 sessions, 2 SFU nodes/ }).waitFor();
    console.log(`[topology] 1,000 sessions are drawn after ${Math.round(performance.now() - startedAt)} ms`);
    await picture(page, 'topology');
    await page.getByTestId('search').fill('user-777');
    await page.keyboard.press('Enter');
    await page.getByTestId('details').getByRole('heading', { name: 'user-777' }).waitFor();
    await page.screenshot({ path: '.results/topology-found.png' });
    for (const client of clients) client.close();
    await page.close();
  });
});
