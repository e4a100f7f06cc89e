import { fileURLToPath } from 'node:url';
import type { Topology, TopologyVertex } from '@flotilla/contracts';
import { launchBrowser } from '@flotilla/testkit';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { topologyMermaid } from '../src/topology/mermaid.ts';

declare global {
  var mermaid: { render(id: string, text: string): Promise<{ svg: string }> };
}

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const topology = (vertices: TopologyVertex[]): Topology => ({ at: 0, truncated: false, vertices });

/** A fleet in which every room has participants on every gateway and every node. */
function fleet(gateways: number, rooms: number, nodes: number): Topology {
  const all = range(rooms).map((room) => `rm_${room}`);
  return topology([
    ...range(gateways).map((index): TopologyVertex => {
      return { kind: 'gateway', id: `gw_${index}`, alive: index !== 1, sessions: rooms };
    }),
    ...range(nodes).map((index): TopologyVertex => {
      const state = index === 0 ? 'draining' : 'active';
      return { kind: 'node', id: `nd_${index}`, alive: true, state, capacity: 100, reserved: 10, cpu: 0.256 };
    }),
    ...all.map((id, index): TopologyVertex => {
      const name = index === 0 ? 'end' : `room-${index}`;
      const assignments = Object.fromEntries(range(nodes).map((node) => [`nd_${node}`, 1]));
      const mediaMode = index === 1 ? 'peer' : 'sfu';
      return { kind: 'room', id, name, mediaMode, participants: rooms - index, assignments };
    }),
    ...range(gateways).map((index): TopologyVertex => {
      return {
        kind: 'session',
        id: `ss_${index}`,
        userId: 'u',
        gatewayId: `gw_${index}`,
        connected: true,
        rooms: all,
        media: [],
      };
    }),
    ...all.slice(1, 2).map((roomId): TopologyVertex => {
      const participants: [string, string] = ['pt_0', 'pt_1'];
      return { kind: 'negotiation', id: `${roomId}/pt_0~pt_1`, roomId, participants, state: 'have-local-offer' };
    }),
  ]);
}

test('a small fleet is drawn completely', () => {
  expect(topologyMermaid(fleet(2, 2, 1))).toBe(`flowchart LR
  %% 1970-01-01T00:00:00.000Z
  subgraph gateways["Gateways"]
    g0["gw_0<br/>2 sessions"]
    g1["gw_1<br/>2 sessions, not alive"]:::down
  end
  subgraph rooms["Rooms"]
    r0("end<br/>2 participants")
    r1("room-1<br/>1 participant, peer to peer, 1 pair negotiating")
  end
  subgraph nodes["SFU nodes"]
    n0["nd_0<br/>10 of 100 sessions, CPU 26 %, draining"]
  end
  g0 -->|1| r0
  g1 -->|1| r0
  r0 -->|1| n0
  g0 -->|1| r1
  g1 -->|1| r1
  r1 -->|1| n0
  classDef down stroke:#cf2a3c,stroke-dasharray:4
`);
});

test('the smaller rooms of a large fleet are drawn as one vertex with the sum of their participants', () => {
  const text = topologyMermaid(fleet(2, 100, 2));
  expect(text.match(/^ {4}r\d+\(/gm)).toHaveLength(41);
  // 60 rooms of 60, 59, ... participants.
  expect(text).toContain('r40("60 more rooms<br/>1830 participants")');
  expect(text).toContain('g0 -->|60| r40');
});

describe("Mermaid's parser in a browser", () => {
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    browser = await launchBrowser();
    page = await browser.newPage();
    await page.addScriptTag({ path: fileURLToPath(import.meta.resolve('mermaid/dist/mermaid.min.js')) });
  });
  afterAll(async () => {
    await browser?.close();
  });

  test.each([
    ['nothing', topology([]), 0],
    ['one of each', fleet(1, 1, 1), 3],
    ['1,000 rooms on 60 gateways and 50 nodes', fleet(60, 1000, 50), 86],
  ])('draws %s', async (_what, drawn, atLeast) => {
    const text = topologyMermaid(drawn);
    const svg = await page.evaluate(async (source) => (await mermaid.render('drawing', source)).svg, text);
    expect(svg.match(/class="node /g)?.length ?? 0).toBeGreaterThanOrEqual(atLeast);
    expect(svg).not.toContain('Syntax error');
  });
});
