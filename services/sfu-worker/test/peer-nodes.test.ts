import { CommandBus, MemoryCommandTransport, MemoryEventLog } from '@flotilla/bus';
import { sfuQueue } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { MemoryStore } from '@flotilla/store';
import { nodeReport } from '@flotilla/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { peerNodes } from '../src/peer-nodes.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const endpoint = {
  ip: '10.0.0.1',
  port: 41_000,
  srtpParameters: { cryptoSuite: 'AEAD_AES_256_GCM', keyBase64: 'a2V5' },
};
const payload = { roomId: 'rm_1', toNode: 'nd_own', endpoint, publicationIds: [] };
const reply = { endpoint, publications: {} };

describe('a request for a pipe from another node', () => {
  const bus = new CommandBus(new MemoryCommandTransport(), log);
  let serving: { close(): Promise<void> } | undefined;
  afterEach(() => serving?.close());

  /** The nodes of a store with these times of their last heartbeats. */
  const nodes = async (lastSeenAt: Readonly<Record<string, number>>) => {
    let now = 0;
    const store = new MemoryStore(new MemoryEventLog(), () => now);
    for (const [id, at] of Object.entries(lastSeenAt)) {
      now = at;
      await store.nodes.report(nodeReport(id));
    }
    return store.nodes;
  };

  test.for([
    ['whose heartbeats stopped', { nd_own: 60_000, nd_other: 57_000 }],
    ['that was removed', { nd_own: 60_000 }],
  ] as const)('fails at once, and the node %s gets no command', async ([, lastSeenAt]) => {
    let requests = 0;
    serving = await bus.serve(sfuQueue('nd_other'), 'exclusive', {
      'sfu.open_pipe': async () => {
        requests++;
        return reply;
      },
    });
    const opening = peerNodes(bus, await nodes(lastSeenAt)).openPipe('nd_other', payload);
    await expect(opening).rejects.toMatchObject({ code: 'NODE_UNAVAILABLE' });
    expect(requests).toBe(0);
  });

  test('is answered by a node with heartbeats', async () => {
    serving = await bus.serve(sfuQueue('nd_other'), 'exclusive', { 'sfu.open_pipe': async () => reply });
    const peers = peerNodes(bus, await nodes({ nd_own: 60_000, nd_other: 59_000 }));
    expect(await peers.openPipe('nd_other', payload)).toEqual(reply);
  });
});
