import { CommandBus, MemoryCommandTransport } from '@flotilla/bus';
import { sfuQueue } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
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

  test('fails at once when its heartbeats stopped, and the node gets no command', async () => {
    let requests = 0;
    serving = await bus.serve(sfuQueue('nd_other'), 'exclusive', {
      'sfu.open_pipe': async () => {
        requests++;
        return reply;
      },
    });
    const opening = peerNodes(bus, new Set(['nd_other'])).openPipe('nd_other', payload);
    await expect(opening).rejects.toMatchObject({ code: 'NODE_UNAVAILABLE' });
    expect(requests).toBe(0);
  });

  test('is answered by a node with heartbeats', async () => {
    serving = await bus.serve(sfuQueue('nd_other'), 'exclusive', { 'sfu.open_pipe': async () => reply });
    expect(await peerNodes(bus, new Set(['nd_dead'])).openPipe('nd_other', payload)).toEqual(reply);
  });
});
