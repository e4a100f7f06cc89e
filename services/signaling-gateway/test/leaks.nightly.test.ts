import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CommandBus, MemoryCommandTransport, MemoryEventLog } from '@flotilla/bus';
import { newId, resumeSubprotocolPrefix, signalPath, subprotocol, tokenSubprotocolPrefix } from '@flotilla/contracts';
import { metricsRegistry } from '@flotilla/runtime';
import { Sweeper } from '@flotilla/room-registry';
import { MemoryStore } from '@flotilla/store';
import { nodeReport, notYet, roomRecord, waitFor } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { log, newToken, type RunningGateway, startGateway } from './gateway-harness.ts';

const cycles = 100_000;
const rounds = 5;
const atOnce = 50;
/** A leaked session is over 1,000 bytes. This is the variation of the heap at rest, spread over the cycles. */
const maxBytesPerCycle = 100;

/** Those of the gateway itself: its server and its timers. */
const maxHandlesAtRest = 20;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** The store, with a clock that can be advanced, so that everything kept for a time expires within the test. */
let clockAheadMs = 0;
const events = new MemoryEventLog();
const store = new MemoryStore(events, () => Date.now() + clockAheadMs);
const bus = new CommandBus(new MemoryCommandTransport(), log);

const sweeper = new Sweeper(store, { resumeMs: 0, deadMs: 600_000 }, log);

/** Advances the clock and sweeps expired sessions. */
async function sweep(): Promise<void> {
  clockAheadMs += 600_000;
  await store.nodes.report(node);
  while ((await store.sessions.due(1)).length > 0) await sweeper.sweep();
}

const node = nodeReport(newId('node'), { startedAt: 0, capacity: 1_000_000 });

/** A masked text or close frame (RFC 6455, section 5.2) below 126 bytes; the mask is zero. */
const frame = (opcode: number, payload: Buffer): Buffer =>
  Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
const requestFrame = (type: string, payload: object, to?: string): Buffer =>
  frame(1, Buffer.from(JSON.stringify({ id: '1', type, to, payload })));
const closeFrame = frame(8, Buffer.from([0x03, 0xe8]));

/** Actions of a client, in any order. Every connection is cut at the end. */
const actions: Readonly<Record<string, (socket: Socket) => void>> = {
  join: (socket) => socket.write(requestFrame('join', { room: 'rm_a', subscribe: false })),
  leave: (socket) => socket.write(requestFrame('leave', {}, 'room:rm_a')),
  message: (socket) => socket.write(requestFrame('message', { data: 1 }, 'room:rm_a')),
  resume: (socket) => socket.write(requestFrame('resume', { offsets: {} })),
  nonsense: (socket) => socket.write(frame(1, Buffer.from('{'))),
  badFrame: (socket) => socket.write(Buffer.from([0xff, 0xff])),
  ping: (socket) => socket.write(frame(9, Buffer.alloc(0))),
  closeFrame: (socket) => socket.write(closeFrame),
  halfClose: (socket) => socket.end(),
  cut: (socket) => socket.resetAndDestroy(),
};
const names = Object.keys(actions);

/** Reproducible pseudo-random numbers (mulberry32): a failed run can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe('memory of the gateway', () => {
  let gateway: RunningGateway;
  let lastResumeToken: string | undefined;

  beforeAll(async () => {
    await store.nodes.report(node);
    // Full most of the time, so that joins also fail.
    await store.rooms.create(roomRecord('a', { createdAt: 0, maxParticipants: 10, emptyTimeoutSeconds: 0 }));
    gateway = await startGateway({
      backplane: { bus, events, store },
      settings: {
        FLOTILLA_CONNECTS_PER_SECOND_PER_ADDRESS: '1000000',
        FLOTILLA_MESSAGES_PER_SECOND_PER_ADDRESS: '1000000',
        FLOTILLA_HEARTBEAT_SECONDS: '1',
        FLOTILLA_DRAIN_SECONDS: '0',
        FLOTILLA_OVERLOAD_DELAY_MS: '60000',
      },
    });
  });
  afterAll(() => gateway?.stop());

  /** One connection, from its first byte to its last. */
  async function live(dice: () => number): Promise<void> {
    const resume = dice() < 0.2 ? lastResumeToken : undefined;
    const credential =
      resume === undefined
        ? tokenSubprotocolPrefix + (await newToken(`user-${Math.floor(dice() * 1000)}`))
        : resumeSubprotocolPrefix + resume;
    const resets = dice() < 0.05;
    const steps = Array.from({ length: Math.floor(dice() * 5) }, () => names[Math.floor(dice() * names.length)]!);
    await new Promise<void>((resolve) => {
      const socket = connect({ port: gateway.port, host: '127.0.0.1', noDelay: true });
      let welcomed = false;
      let head = '';
      socket.write(
        `GET ${signalPath} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ${subprotocol}, ${credential}\r\n\r\n`,
        () => resets && socket.resetAndDestroy(),
      );
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
      socket.on('data', (chunk: Buffer) => {
        if (welcomed) return;
        head += chunk.toString('latin1');
        const token = /"resumeToken":"([^"]+)"/.exec(head)?.[1];
        if (head.startsWith('HTTP/1.1 101') && token === undefined) return;
        welcomed = true;
        lastResumeToken = token ?? lastResumeToken;
        for (const step of [...steps, 'cut']) {
          if (socket.destroyed || socket.writableEnded) break;
          actions[step]!(socket);
        }
      });
    });
  }

  async function run(count: number, seed: number): Promise<void> {
    const dice = random(seed);
    let left = count;
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (left-- > 0) {
          await live(dice);
          if (left % 2000 === 0) await sweep();
        }
      }),
    );
  }

  /** Waits until all sessions have ended, and measures what remains. */
  async function atRest(): Promise<{ heap: number; handles: number; sessions: number; members: number }> {
    await waitFor('all sessions have ended', async () => {
      await sweep();
      const open = (await metricsRegistry.getSingleMetric('signaling_active_connections')!.get()).values[0]!.value;
      if (open > 0) notYet(`${open} are open`);
      const state = await store.rooms.state('rm_a');
      if (state!.members.length > 0) notYet(`${state!.members.length} are in the room`);
      // A lost connection is detached after a second.
      const handles = process.getActiveResourcesInfo().length;
      if (handles > maxHandlesAtRest) notYet(`there are ${handles} handles`);
    });
    // Twice: the second collects what finalizers released.
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    return {
      heap: process.memoryUsage().heapUsed,
      handles: process.getActiveResourcesInfo().length,
      sessions: (await store.sessions.due(Infinity)).length,
      members: (await store.rooms.state('rm_a'))!.members.length,
    };
  }

  test(
    `after ${cycles} connections with random actions, no session, member, handle or heap growth remains`,
    { timeout: 600_000 },
    async () => {
      // The first ones fill caches and compile code.
      await run(cycles / rounds, 1);
      const before = await atRest();
      const heaps = [before.heap];
      for (let round = 2; round <= rounds; round++) {
        await run(cycles / rounds, round);
        heaps.push((await atRest()).heap);
      }
      const after = await atRest();
      console.log(
        `heap at rest, MiB: ${heaps.map((heap) => (heap / 2 ** 20).toFixed(1)).join(', ')}; handles ${before.handles} -> ${after.handles}`,
      );
      // Timers of the first connections may still run at the first rest.
      expect(after.handles).toBeLessThanOrEqual(before.handles);
      expect({ ...after, heap: 0, handles: 0 }).toEqual({ ...before, heap: 0, handles: 0 });
      expect((after.heap - before.heap) / (cycles - cycles / rounds)).toBeLessThan(maxBytesPerCycle);
    },
  );
});
