import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { CommandBus, MemoryCommandTransport } from '@flotilla/bus';
import { sfuQueue } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  LivenessProbe,
  offlineLostAfterMs,
  pingNode,
  type ProbeResult,
  unresponsiveLostAfterMs,
} from '../src/liveness-probe.ts';

/** Confirms a node without heartbeats every 100 ms, starting 700 ms after its last one. */
async function confirmed(answers: (silentMs: number) => ProbeResult, until = 4800) {
  let silentMs = 700;
  let probes = 0;
  const probe = new LivenessProbe(async () => {
    probes++;
    return answers(silentMs);
  });
  for (; silentMs <= until; silentMs += 100) {
    const lost = probe.confirm(new Map([['nd_a', silentMs]]), silentMs);
    if (lost.length > 0) return { lostAfter: silentMs, probes };
    await Promise.resolve();
  }
  return { lostAfter: undefined, probes };
}

test('LivenessProbe: a node whose queue does not exist is lost at the next check', async () => {
  expect(await confirmed(() => 'unreachable')).toEqual({ lostAfter: 800, probes: 1 });
});

test('LivenessProbe: a node that answers is not lost, and is probed every 500 ms', async () => {
  expect(await confirmed(() => 'alive')).toEqual({ lostAfter: undefined, probes: 9 });
});

test('LivenessProbe: a node that does not answer is lost after 2 s without heartbeats, or 1 s when its machine does not answer', async () => {
  expect(await confirmed(() => 'unresponsive')).toMatchObject({ lostAfter: unresponsiveLostAfterMs });
  expect(await confirmed(() => 'offline')).toMatchObject({ lostAfter: offlineLostAfterMs });
});

describe('a node that does not answer a ping', () => {
  const bus = new CommandBus(new MemoryCommandTransport(), createLogger({ service: 'test', level: 'silent' }));
  const ping = (address: string | undefined) => pingNode(bus, 'nd_a', address);
  beforeAll(async () => {
    await bus.serve(sfuQueue('nd_a'), 'exclusive', { 'sfu.ping': () => new Promise<never>(() => undefined) });
  });

  test('is unresponsive while its machine accepts or refuses connections, and where its address is unknown', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await ping(address)).toBe('unresponsive');
    server.close();
    await once(server, 'close');
    expect(await ping(address)).toBe('unresponsive');
    expect(await ping(undefined)).toBe('unresponsive');
  });

  test('is unresponsive while its address cannot be resolved', async () => {
    expect(await ping('node.invalid:9464')).toBe('unresponsive');
  });

  test('is offline when no connection to its address can be opened', async () => {
    expect(await ping('255.255.255.255:9464')).toBe('offline');
  });
});

test('LivenessProbe: a node that dies after an answer is lost at its next probe', async () => {
  const { lostAfter } = await confirmed((silentMs) => (silentMs < 3000 ? 'alive' : 'unreachable'));
  expect(lostAfter).toBeLessThanOrEqual(3600);
});

test('LivenessProbe: a node that reported in between is probed again when its heartbeats stop', async () => {
  const probe = new LivenessProbe(async () => 'unreachable');
  probe.confirm(new Map([['nd_a', 900]]), 900);
  await Promise.resolve();
  expect(probe.confirm(new Map([['nd_a', 1000]]), 1000)).toEqual(['nd_a']);
  expect(probe.confirm(new Map(), 1100)).toEqual([]);
  expect(probe.confirm(new Map([['nd_a', 900]]), 5000)).toEqual([]);
});
