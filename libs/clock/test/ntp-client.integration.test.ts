import { randomBytes } from 'node:crypto';
import { metricsRegistry } from '@flotilla/runtime';
import { freePort } from '@flotilla/processes';
import { notYet, UdpRelay, waitFor } from '@flotilla/testkit';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type FleetClock, NtpClient } from '../src/index.ts';
import { PolledServer } from '../src/ntp/polled-server.ts';
import { queryOnce } from '../src/ntp/query.ts';
import { type Chronyd, startChronyd } from './chronyd.ts';
import { machineNow, NtpTestServer } from './ntp-server.ts';

const toStop: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of toStop.splice(0).toReversed()) await stop();
});

/** `CLOCK_SECONDS=150` measures against chronyd for that long, at the default poll interval of a service. */
const longSeconds = Number(process.env['CLOCK_SECONDS'] ?? 0);
/** Short, to keep the tests short; everything else is as in a service. */
const intervalMs = longSeconds > 0 ? 5000 : 300;

function startClient(...ports: number[]): NtpClient {
  const servers = ports.map((port) => ({ host: '127.0.0.1', port }));
  const client = new NtpClient({ servers, intervalMs });
  toStop.push(() => client.stop());
  return client;
}

async function startServer(settings: Partial<NtpTestServer> = {}): Promise<NtpTestServer> {
  const server = Object.assign(await NtpTestServer.start(), settings);
  toStop.push(() => server.stop());
  return server;
}

/**
 * Difference between a clock and the machine's, in ms. `Date.now` is exact at the moment when its value changes; a read that was
 * interrupted in between is repeated.
 */
function errorMs(clock: FleetClock): number {
  let before = Infinity;
  let beforeMs = 0;
  for (;;) {
    const startMs = performance.now();
    const fleet = clock.now();
    const machine = Date.now();
    if (machine > before && performance.now() - beforeMs < resolutionMs) return fleet - machine;
    before = machine;
    beforeMs = startMs;
  }
}
const resolutionMs = 0.1;

/** Reads the clock every 10 ms for `forMs`. Returns the error of each read, in ms. Fails when time goes back. */
async function sampleErrors(clock: FleetClock, forMs: number): Promise<number[]> {
  const errors: number[] = [];
  const until = performance.now() + forMs;
  let last = -Infinity;
  while (performance.now() < until) {
    const error = errorMs(clock);
    const now = clock.now();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
    errors.push(error);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return errors;
}

/** Asserts during `seconds` that the error of the clock stays within its stated bound. Returns the errors, in ms. */
async function expectWithinBound(name: string, clock: FleetClock, seconds: number): Promise<number[]> {
  const errors: number[] = [];
  const bounds: number[] = [];
  const until = performance.now() + (longSeconds || seconds) * 1000;
  while (performance.now() < until) {
    const boundMs = clock.errorBoundMs;
    const [error] = await sampleErrors(clock, 1);
    expect(Math.abs(error!)).toBeLessThanOrEqual(boundMs + 2 * resolutionMs);
    errors.push(error!);
    bounds.push(boundMs);
  }
  console.log(`${name}: ${errors.length} reads, error ${spread(sizes(errors))}, bound ${spread(bounds)}`);
  return errors;
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => sorted[Math.ceil(sorted.length * share) - 1]!.toFixed(2));
  return `p50 ${p50}, p99 ${p99}, max ${max} ms`;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const sizes = (values: readonly number[]): number[] => values.map(Math.abs);

async function waitForOffset(clock: FleetClock, offsetMs: number, withinMs = 5): Promise<void> {
  await waitFor(`an offset of ${offsetMs} ms`, () => {
    const error = errorMs(clock);
    if (Math.abs(error - offsetMs) > withinMs) notYet(`the offset is ${error.toFixed(3)} ms`);
  });
}

async function gaugeValue(name: string): Promise<number> {
  const metric = await metricsRegistry.getSingleMetric(name)!.get();
  return metric.values[0]!.value;
}

describe('NTP client against chronyd', () => {
  const limitMs = longSeconds * 1000 + 60_000;
  let chronyd: Chronyd;
  beforeAll(async () => {
    chronyd = await startChronyd();
    return chronyd.stop;
  });

  test(
    'on the same host the median error is below 1 ms',
    async () => {
      const client = startClient(chronyd.port);
      expect(await client.calibrated(40_000)).toBe(true);
      const errors = await expectWithinBound('loopback', client.clock, 3);
      expect(median(sizes(errors))).toBeLessThan(1);
      expect(client.clock.steps).toBe(0);
    },
    limitMs,
  );

  test(
    'over a path with up to 50 ms of random jitter in each direction the median error is below 10 ms',
    async () => {
      const relay = await UdpRelay.start({
        targetPort: chronyd.port,
        up: { jitterMs: 50 },
        down: { jitterMs: 50 },
        seed: 3,
      });
      toStop.push(() => relay.close());
      const client = startClient(relay.port);
      expect(await client.calibrated(40_000)).toBe(true);
      const errors = await expectWithinBound('50 ms of jitter each way', client.clock, 6);
      expect(median(sizes(errors))).toBeLessThan(10);
    },
    limitMs,
  );

  test('over a path that loses 30 % of the requests the clock is calibrated', async () => {
    const relay = await UdpRelay.start({ targetPort: chronyd.port, up: { loss: 0.3 }, seed: 5 });
    toStop.push(() => relay.close());
    const client = startClient(relay.port);
    expect(await client.calibrated(15_000)).toBe(true);
    await waitForOffset(client.clock, 0, 1);
    expect(relay.up.dropped).toBeGreaterThan(0);
  });
});

describe('NTP client with faulty servers', () => {
  test('two correct servers outvote one that is off by 500 ms', async () => {
    const [one, other, falseticker] = [await startServer(), await startServer(), await startServer({ offsetMs: 500 })];
    const { clock } = await calibrated(startClient(one.port, other.port, falseticker.port));
    for (const error of await sampleErrors(clock, 1500)) expect(Math.abs(error)).toBeLessThan(100);
    expect(median(sizes(await sampleErrors(clock, 500)))).toBeLessThan(1);
    expect(falseticker.requests).toBeGreaterThan(3);
  });

  test('two servers that disagree leave the clock uncalibrated, with an unknown error', async () => {
    const [one, other] = [await startServer(), await startServer({ offsetMs: 500 })];
    const client = startClient(one.port, other.port);
    await waitFor('six polls of both', () => Math.min(one.requests, other.requests) >= 6 || notYet('fewer so far'));
    expect(client.clock.calibrated).toBe(false);
    expect(client.clock.errorBoundMs).toBe(Infinity);
    await waitForOffset(client.clock, 0);
  });

  test('while the only server does not respond the clock free-runs and its error bound grows; afterwards it is used again', async () => {
    const server = await startServer({ offsetMs: 50 });
    const { clock } = await calibrated(startClient(server.port));
    await waitForOffset(clock, 50, 1);
    server.unresponsive = true;
    const bound = clock.errorBoundMs;
    const requests = server.requests;
    await waitFor('seven unanswered requests', () => server.requests >= requests + 7 || notYet('fewer so far'));
    expect(clock.errorBoundMs).toBeGreaterThan(bound);
    expect(await gaugeValue('clock_sources')).toBe(0);
    for (const error of await sampleErrors(clock, 300)) expect(Math.abs(error - 50)).toBeLessThan(20);
    server.unresponsive = false;
    await waitFor('one source', async () => (await gaugeValue('clock_sources')) === 1 || notYet('clock_sources is 0'));
  });

  test('after one of two servers stopped the clock follows the other', async () => {
    const [one, other] = [await startServer(), await startServer()];
    const { clock } = await calibrated(startClient(one.port, other.port));
    await one.stop();
    await waitFor('one source', async () => (await gaugeValue('clock_sources')) === 1 || notYet('there are more'));
    expect(median(sizes(await sampleErrors(clock, 500)))).toBeLessThan(1);
  });

  test('a step of 10 s forward at the server makes the clock jump once', async () => {
    const server = await startServer();
    const { clock } = await calibrated(startClient(server.port));
    clock.now();
    server.offsetMs = 10_000;
    await waitForOffset(clock, 10_000);
    expect(clock.steps).toBe(1);
  });

  test('a step of 10 s back at the server makes the clock run at half speed, with an error bound that covers the rest', async () => {
    const server = await startServer();
    const { clock } = await calibrated(startClient(server.port));
    clock.now();
    server.offsetMs = -10_000;
    await waitFor('the step', () => clock.steps === 1 || notYet('steps is 0'));
    const errors = await sampleErrors(clock, 2000);
    const [first, last] = [errors[0]!, errors.at(-1)!];
    expect(first - last).toBeGreaterThan(500);
    expect(Math.abs(last + 10_000)).toBeLessThanOrEqual(clock.errorBoundMs + 50);
  });

  test('a clock that was never read is set back at once', async () => {
    const server = await startServer({ offsetMs: -10_000 });
    const { clock } = await calibrated(startClient(server.port));
    await waitForOffset(clock, -10_000, 1);
  });

  const garbage: [string, (correct: Uint8Array) => Uint8Array[]][] = [
    ['an empty datagram', () => [new Uint8Array(0)]],
    ['a truncated packet', (correct) => [correct.subarray(0, 47)]],
    ['random bytes', () => [randomBytes(48), randomBytes(500)]],
    ['a response to another request', (correct) => [changed(correct, 24)]],
    ['a packet in client mode', (correct) => [withFirstByte(correct, 0x23)]],
    ['a packet of version 7', (correct) => [withFirstByte(correct, 0x3c)]],
    ['zero timestamps', (correct) => [Uint8Array.from(correct).fill(0, 32)]],
    ['a transmit timestamp before the receive timestamp', (correct) => [moved(correct, -2)]],
    ['random timestamps', (correct) => [Uint8Array.from([...correct.subarray(0, 32), ...randomBytes(16)])]],
  ];
  test.each(garbage)('%s in place of a response does not calibrate the clock', async (_, instead) => {
    const server = await startServer({ instead });
    const client = startClient(server.port);
    await waitFor('two requests', () => server.requests >= 2 || notYet(`there are ${server.requests}`));
    await client.stop();
    expect(client.clock.calibrated).toBe(false);
    expect(client.clock.errorBoundMs).toBe(Infinity);
  });

  test('a valid response after invalid packets is used', async () => {
    const server = await startServer({
      instead: (correct) => [randomBytes(48), changed(correct, 24), new Uint8Array(3), correct, randomBytes(48)],
    });
    const { clock } = await calibrated(startClient(server.port));
    await waitForOffset(clock, 0, 1);
  });

  test.each([
    ['leap indicator 3', { leap: 3 }],
    ['stratum 16', { stratum: 16 }],
    ['a root dispersion of 20 s', { rootDispersionMs: 20_000 }],
  ])('a server with %s is ignored', async (_, overrides) => {
    const server = await startServer({ overrides, offsetMs: 5000 });
    const client = startClient(server.port);
    await waitFor('five requests', () => server.requests >= 5 || notYet(`there are ${server.requests}`));
    expect(client.clock.errorBoundMs).toBe(Infinity);
    await waitForOffset(client.clock, 0);
  });
});

describe("kiss-o'-death", () => {
  const kiss = (code: string): NtpTestServer['overrides'] => ({
    leap: 3,
    stratum: 0,
    referenceId: Buffer.from(code).readUInt32BE(),
  });

  test.each(['DENY', 'RSTR'])('after %s the server is not polled again, while others are', async (code) => {
    const [server, other] = [await startServer({ overrides: kiss(code) }), await startServer()];
    await calibrated(startClient(server.port, other.port));
    const before = other.requests;
    await waitFor('three more requests to the other', () => other.requests >= before + 3 || notYet('fewer so far'));
    expect(server.requests).toBe(1);
  });

  test('each RATE response doubles the poll interval', async () => {
    const [server, other] = [await startServer({ overrides: kiss('RATE') }), await startServer()];
    await calibrated(startClient(server.port, other.port));
    await waitFor('14 requests to the other', () => other.requests >= 14 || notYet(`there are ${other.requests}`));
    expect(server.requests).toBeLessThanOrEqual(4);
    expect(server.requests).toBeGreaterThanOrEqual(1);
  });

  test("a forged kiss-o'-death without the nonce is ignored", async () => {
    const server = await startServer({
      instead: (correct) => {
        const forged = changed(correct, 24);
        forged[1] = 0;
        forged.set(Buffer.from('DENY'), 12);
        return [forged, correct];
      },
    });
    const { clock } = await calibrated(startClient(server.port));
    await waitForOffset(clock, 0, 1);
  });
});

test('each request has a different source port and transmit timestamp', async () => {
  const server = await startServer();
  await calibrated(startClient(server.port));
  expect(new Set(server.seen.map(({ nonce }) => nonce)).size).toBe(server.requests);
  expect(new Set(server.seen.map(({ port }) => port)).size).toBeGreaterThan(1);
});

test('a poll queries an unresponsive server three times', async () => {
  const server = await startServer({ unresponsive: true });
  const polled = new PolledServer({ host: '127.0.0.1', port: server.port }, intervalMs);
  expect(await polled.poll(new AbortController().signal)).toEqual({ kind: 'timeout' });
  expect(server.requests).toBe(3);
});

test.each(['127.0.0.1', '255.255.255.255'])(
  'a query to a closed port at %s ends with a timeout result',
  async (address) => {
    expect(await queryOnce({ address, port: await freePort() }, 500)).toEqual({ kind: 'timeout' });
  },
);

test('a stop ends polls of unresponsive servers and of names that do not resolve', async () => {
  const [unresponsive, unknown] = [await startServer({ unresponsive: true }), { host: 'nowhere.invalid', port: 123 }];
  const client = new NtpClient({ servers: [{ host: '127.0.0.1', port: unresponsive.port }, unknown] });
  await waitFor('a request', () => unresponsive.requests > 0 || notYet('there is none'));
  await client.stop();
  expect(unresponsive.requests).toBe(1);
  expect(client.clock.errorBoundMs).toBe(Infinity);
});

test("without servers the NTP client's clock is the machine's, with an unknown error", async () => {
  const client = startClient();
  expect(await client.calibrated(1000)).toBe(false);
  expect(Math.abs(client.clock.now() - machineNow())).toBeLessThan(20);
  expect(client.clock.errorBoundMs).toBe(Infinity);
  await waitFor(
    'clock_error_bound_seconds is +Inf',
    async () => (await gaugeValue('clock_error_bound_seconds')) === Infinity || notYet('it is not'),
  );
});

test("without servers the NTP client follows a step of the machine's clock", async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
  toStop.push(async () => void vi.useRealTimers());
  const client = startClient();
  await waitFor('the step', () => client.clock.offsetMs > 3_500_000 || notYet(`offset ${client.clock.offsetMs} ms`));
});

test('clock_error_bound_seconds includes root delay and root dispersion', async () => {
  const server = await startServer({ overrides: { rootDelayMs: 10, rootDispersionMs: 20 } });
  await calibrated(startClient(server.port));
  const seconds = await gaugeValue('clock_error_bound_seconds');
  expect(seconds).toBeGreaterThanOrEqual(0.025);
  expect(seconds).toBeLessThan(1);
});

async function calibrated(client: NtpClient): Promise<NtpClient> {
  expect(await client.calibrated(10_000)).toBe(true);
  return client;
}

/** A copy with the bits of one byte inverted. */
function changed(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = copy[at]! ^ 0xff;
  return copy;
}

function withFirstByte(bytes: Uint8Array, first: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[0] = first;
  return copy;
}

/** A copy whose transmit timestamp is `seconds` after the receive timestamp. */
function moved(bytes: Uint8Array, seconds: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const view = new DataView(copy.buffer);
  view.setUint32(40, view.getUint32(32) + seconds);
  return copy;
}
