import { CommandBus, MemoryCommandTransport } from '@flotilla/bus';
import { sfuQueue } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { nodeReport } from '@flotilla/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { PipeAddresses } from '../src/pipe-addresses.ts';
import { peerNodes } from '../src/peer-nodes.ts';
import { StaleNodes } from '../src/stale-nodes.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const endpoint = {
  ip: '10.0.0.1',
  port: 41_000,
  srtpParameters: { cryptoSuite: 'AEAD_AES_256_GCM', keyBase64: 'a2V5' },
};
const payload = { roomId: 'rm_1', toNode: 'nd_own', endpoint, publicationIds: [] };
const reply = { endpoint, publications: {} };

const staleNodes = (...ids: string[]): StaleNodes => {
  const nodes = new StaleNodes();
  nodes.update(ids);
  return nodes;
};

/** Accepts all endpoints. */
const believing = { check: async () => undefined };

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
    const opening = peerNodes(bus, staleNodes('nd_other'), believing).openPipe('nd_other', payload);
    await expect(opening).rejects.toMatchObject({ code: 'NODE_UNAVAILABLE' });
    expect(requests).toBe(0);
  });

  test('fails when its heartbeats stop while the answer is awaited', async () => {
    const asked = Promise.withResolvers<void>();
    const answering = Promise.withResolvers<typeof reply>();
    serving = await bus.serve(sfuQueue('nd_other'), 'exclusive', {
      'sfu.open_pipe': () => {
        asked.resolve();
        return answering.promise;
      },
    });
    const nodes = staleNodes();
    const opening = peerNodes(bus, nodes, believing).openPipe('nd_other', payload);
    await asked.promise;
    nodes.update(['nd_third']);
    nodes.update(['nd_other']);
    await expect(opening).rejects.toMatchObject({ code: 'NODE_UNAVAILABLE' });
    answering.resolve(reply);
  });

  test('is answered by a node with heartbeats', async () => {
    serving = await bus.serve(sfuQueue('nd_other'), 'exclusive', { 'sfu.open_pipe': async () => reply });
    expect(await peerNodes(bus, staleNodes('nd_dead'), believing).openPipe('nd_other', payload)).toEqual(reply);
  });

  test('fails when the answer has an endpoint that is not of the node', async () => {
    serving = await bus.serve(sfuQueue('nd_other'), 'exclusive', { 'sfu.open_pipe': async () => reply });
    const pipes = { ip: '10.0.0.2', probePort: 41_999 };
    const addresses = new PipeAddresses({ get: async (id) => nodeReport(id, { pipes }) });
    await expect(peerNodes(bus, staleNodes(), addresses).openPipe('nd_other', payload)).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
  });
});
