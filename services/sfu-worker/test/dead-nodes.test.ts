import { createLogger } from '@flotilla/runtime';
import { MemoryStore } from '@flotilla/store';
import { MemoryEventLog } from '@flotilla/bus';
import { nodeReport } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { DeadNodes } from '../src/dead-nodes.ts';

const log = createLogger({ service: 'test', level: 'silent' });

/** Nodes that a node with pipes to `receivers` has closed its pipes to. */
async function closedPipes(
  lastSeenAt: Readonly<Record<string, number>>,
  receivers: readonly string[],
): Promise<string[]> {
  let closed: string[] = [];
  const media = {
    pipeReceivers: new Set(receivers),
    closePipesTo: (deadNodes: ReadonlySet<string>) => void (closed = [...deadNodes]),
  };
  let now = 0;
  const { nodes } = new MemoryStore(new MemoryEventLog(), () => now);
  for (const [id, at] of Object.entries(lastSeenAt)) {
    now = at;
    await nodes.report(nodeReport(id));
  }
  await new DeadNodes(media, nodes, log).closePipes();
  return closed;
}

test('pipes to a node whose heartbeats stopped or that was removed are closed, those to others stay', async () => {
  const seen = { nd_own: 60_000, nd_alive: 59_500, nd_late: 51_000, nd_dead: 49_000 };
  expect(await closedPipes(seen, ['nd_alive', 'nd_late', 'nd_dead', 'nd_removed'])).toEqual(['nd_dead', 'nd_removed']);
});

test('no pipe is closed when the heartbeats of all nodes stopped, or none is stored', async () => {
  expect(await closedPipes({ nd_own: 1000, nd_other: 1500 }, ['nd_other'])).toEqual([]);
  expect(await closedPipes({}, ['nd_other'])).toEqual([]);
});
