import { parseRoomEvents, roomStream } from '@flotilla/bus';
import { startOfStream } from '@flotilla/contracts';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { killProcess } from '../src/worker-pool.ts';
import { LocalNodes } from './local-nodes.ts';

let nodes: LocalNodes;
beforeEach(async () => {
  nodes = await LocalNodes.start('nd_a');
});
afterEach(() => nodes.close());

test('a media worker that hangs is killed and replaced, its participants are notified, and killing it again is no error', async () => {
  const member = await nodes.enter('nd_a');
  const [pid] = nodes.node('nd_a').workerPids;
  process.kill(pid!, 'SIGSTOP');
  await waitFor(
    'media_lost',
    async () => {
      const entries = await nodes.backplane.events.readAfter(roomStream(nodes.roomId), startOfStream, 1000);
      const lost = parseRoomEvents(entries === 'trimmed' ? [] : entries).filter(
        ({ event }) => event.type === 'media_lost',
      );
      if (lost.length === 0) notYet('no event');
      expect(lost).toMatchObject([
        { event: { payload: { participantIds: [member.id], reason: 'worker_died', nodeId: 'nd_a' } } },
      ]);
    },
    { timeoutMs: 30_000 },
  );
  expect((await nodes.open('nd_a', member)).nodeId).toBe('nd_a');
  expect(nodes.node('nd_a').workerPids).not.toContain(pid);
  expect(() => process.kill(pid!, 0)).toThrow('ESRCH');
  killProcess(pid!);
});
