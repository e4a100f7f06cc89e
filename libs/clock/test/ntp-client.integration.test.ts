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

/** `CLOCK_SECONDS=150` looks at chronyd's time for that long, asked for as seldom as in a service. */
const longSeconds = Number(process.env['CLOCK_SECONDS'] ?? 0);
/** Short, so that the tests are; everything else is as in a service. */
const intervalMs = longSeconds > 0 ? 5000 : 300;

function ask(...ports: number[]): NtpClient {
  const servers = ports.map((port) => ({ host: '127.0.0.1', port }));
  const client = new NtpClient({ servers, intervalMs });
  toStop.push(() => client.stop());
  return client;
}

async function serve(settings: Partial<NtpTestServer> = {}): Promise<NtpTestServer> {
  const server = Object.assign(await NtpTestServer.start(), settings);
  toStop.push(() => server.stop());
  return server;
}

/**
 * How far a clock is from the machine's, in ms. The machine's is known exactly at the moment when its ms changes; a look that was
 * interrupted does not count.
 */
function errorMs(clock: FleetClock): number {
  let before = Infinity;
  let beforeMs = 0;
  for (;;) {
    const startMs = performance.now();
    const told = clock.now();
    const machine = Date.now();
    if (machine > before && performance.now() - beforeMs < lookMs) return told - machine;
    before = machine;
    beforeMs = startMs;
  }
}
const lookMs = 0.1;

/** Asks for the time over and over: each answer's error, in ms. Fails when time goes back. */
async function watch(clock: FleetClock, forMs: number): Promise<number[]> {
  const errors: number[] = [];
  const until = performance.now() + forMs;
  let told = -Infinity;
  while (performance.now() < until) {
    const error = errorMs(clock);
    const now = clock.now();
    expect(now).toBeGreaterThanOrEqual(told);
    told = now;
    errors.push(error);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return errors;
}

/** Never wrong by more than it says. */
async function watchBound(name: string, clock: FleetClock, seconds: number): Promise<number[]> {
  const errors: number[] = [];
  const bounds: number[] = [];
  const until = performance.now() + (longSeconds || seconds) * 1000;
  while (performance.now() < until) {
    const boundMs = clock.errorBoundMs;
    const [error] = await watch(clock, 1);
    expect(Math.abs(error!)).toBeLessThanOrEqual(boundMs + 2 * lookMs);
    errors.push(error!);
    bounds.push(boundMs);
  }
  console.log(`${name}: ${errors.length} looks, error ${spread(sizes(errors))}, bound ${spread(bounds)}`);
  return errors;
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => sorted[Math.ceil(sorted.length * share) - 1]!.toFixed(2));
  return `p50 ${p50}, p99 ${p99}, max ${max} ms`;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const sizes = (values: readonly number[]): number[] => values.map(Math.abs);

async function closeTo(clock: FleetClock, wantedMs: number, withinMs = 5): Promise<void> {
  await waitFor(`the clock is ${wantedMs} ms off`, () => {
    const error = errorMs(clock);
    if (Math.abs(error - wantedMs) > withinMs) notYet(`it is ${error.toFixed(3)} ms`);
  });
}

async function gaugeValue(name: string): Promise<number> {
  const metric = await metricsRegistry.getSingleMetric(name)!.get();
  return metric.values[0]!.value;
}

describe('against chronyd', () => {
  const limitMs = longSeconds * 1000 + 60_000;
  let chronyd: Chronyd;
  beforeAll(async () => {
    chronyd = await startChronyd();
    return chronyd.stop;
  });

  test(
    'on the same host it is within 1 ms',
    async () => {
      const client = ask(chronyd.port);
      expect(await client.calibrated(40_000)).toBe(true);
      const errors = await watchBound('loopback', client.clock, 3);
      expect(median(sizes(errors))).toBeLessThan(1);
      expect(client.clock.steps).toBe(0);
    },
    limitMs,
  );

  test(
    'over a path with 50 ms of uneven jitter each way it is within 10 ms',
    async () => {
      const relay = await UdpRelay.start({
        targetPort: chronyd.port,
        up: { jitterMs: 50 },
        down: { jitterMs: 50 },
        seed: 3,
      });
      toStop.push(() => relay.close());
      const client = ask(relay.port);
      expect(await client.calibrated(40_000)).toBe(true);
      const errors = await watchBound('50 ms of jitter each way', client.clock, 6);
      expect(median(sizes(errors))).toBeLessThan(10);
    },
    limitMs,
  );

  test('over a path that loses every third datagram it is calibrated all the same', async () => {
    const relay = await UdpRelay.start({ targetPort: chronyd.port, up: { loss: 0.3 }, seed: 5 });
    toStop.push(() => relay.close());
    const client = ask(relay.port);
    expect(await client.calibrated(15_000)).toBe(true);
    await closeTo(client.clock, 0, 1);
    expect(relay.up.dropped).toBeGreaterThan(0);
  });
});

describe('servers that misbehave', () => {
  test('one that lies is outvoted by two', async () => {
    const [one, other, liar] = [await serve(), await serve(), await serve({ offsetMs: 500 })];
    const { clock } = await calibrated(ask(one.port, other.port, liar.port));
    for (const error of await watch(clock, 1500)) expect(Math.abs(error)).toBeLessThan(100);
    expect(median(sizes(await watch(clock, 500)))).toBeLessThan(1);
    expect(liar.requests).toBeGreaterThan(3);
  });

  test('one against one: nobody is believed, and the error stays unknown', async () => {
    const [one, other] = [await serve(), await serve({ offsetMs: 500 })];
    const client = ask(one.port, other.port);
    await waitFor('both were heard', () => Math.min(one.requests, other.requests) >= 6 || notYet('not often'));
    expect(client.clock.calibrated).toBe(false);
    expect(client.clock.errorBoundMs).toBe(Infinity);
    await closeTo(client.clock, 0);
  });

  test('one that dies leaves the time as it is, with an error that grows; when it is back, it is heard', async () => {
    const server = await serve({ offsetMs: 50 });
    const { clock } = await calibrated(ask(server.port));
    await closeTo(clock, 50, 1);
    server.silent = true;
    const bound = clock.errorBoundMs;
    const requests = server.requests;
    await waitFor('it is asked in vain', () => server.requests >= requests + 7 || notYet('not often'));
    expect(clock.errorBoundMs).toBeGreaterThan(bound);
    expect(await gaugeValue('clock_sources')).toBe(0);
    for (const error of await watch(clock, 300)) expect(Math.abs(error - 50)).toBeLessThan(20);
    server.silent = false;
    await waitFor('it is heard', async () => (await gaugeValue('clock_sources')) === 1 || notYet('it is not'));
  });

  test('one that dies leaves the time to the others', async () => {
    const [one, other] = [await serve(), await serve()];
    const { clock } = await calibrated(ask(one.port, other.port));
    await one.stop();
    await waitFor('one is left', async () => (await gaugeValue('clock_sources')) === 1 || notYet('there are more'));
    expect(median(sizes(await watch(clock, 500)))).toBeLessThan(1);
  });

  test('a step of 10 s forward is followed by a jump, once it is certain', async () => {
    const server = await serve();
    const { clock } = await calibrated(ask(server.port));
    clock.now();
    server.offsetMs = 10_000;
    await closeTo(clock, 10_000);
    expect(clock.steps).toBe(1);
  });

  test('a step of 10 s back does not make time go back: it runs at half speed, and the bound says how wrong it is', async () => {
    const server = await serve();
    const { clock } = await calibrated(ask(server.port));
    clock.now();
    server.offsetMs = -10_000;
    await waitFor('it is noticed', () => clock.steps === 1 || notYet('it is not'));
    const errors = await watch(clock, 2000);
    const [first, last] = [errors[0]!, errors.at(-1)!];
    expect(first - last).toBeGreaterThan(500);
    expect(Math.abs(last + 10_000)).toBeLessThanOrEqual(clock.errorBoundMs + 50);
  });

  test('a clock nobody has asked yet is set back at once', async () => {
    const server = await serve({ offsetMs: -10_000 });
    const { clock } = await calibrated(ask(server.port));
    await closeTo(clock, -10_000, 1);
  });

  const garbage: [string, (honest: Uint8Array) => Uint8Array[]][] = [
    ['nothing', () => [new Uint8Array(0)]],
    ['half a packet', (honest) => [honest.subarray(0, 47)]],
    ['noise', () => [randomBytes(48), randomBytes(500)]],
    ['an answer to somebody else', (honest) => [changed(honest, 24)]],
    ['a packet of a client', (honest) => [with0(honest, 0x23)]],
    ['version 7', (honest) => [with0(honest, 0x3c)]],
    ['zeros for timestamps', (honest) => [Uint8Array.from(honest).fill(0, 32)]],
    ['an answer that left before the request came', (honest) => [moved(honest, -2)]],
    ['noise in the timestamps', (honest) => [Uint8Array.from([...honest.subarray(0, 32), ...randomBytes(16)])]],
  ];
  test.each(garbage)('garbage is no time: %s', async (_, instead) => {
    const server = await serve({ instead });
    const client = ask(server.port);
    await waitFor('it was asked twice', () => server.requests >= 2 || notYet(`${server.requests}`));
    await client.stop();
    expect(client.clock.calibrated).toBe(false);
    expect(client.clock.errorBoundMs).toBe(Infinity);
  });

  test('garbage before the answer does not hide it', async () => {
    const server = await serve({
      instead: (honest) => [randomBytes(48), changed(honest, 24), new Uint8Array(3), honest, randomBytes(48)],
    });
    const { clock } = await calibrated(ask(server.port));
    await closeTo(clock, 0, 1);
  });

  test.each([
    ['has no time yet', { leap: 3 }],
    ['has stratum 16', { stratum: 16 }],
    ['is 20 s from its reference', { rootDispersionMs: 20_000 }],
  ])('one that %s is not believed', async (_, overrides) => {
    const server = await serve({ overrides, offsetMs: 5000 });
    const client = ask(server.port);
    await waitFor('it was asked often', () => server.requests >= 5 || notYet(`${server.requests}`));
    expect(client.clock.errorBoundMs).toBe(Infinity);
    await closeTo(client.clock, 0);
  });
});

describe("kiss-o'-death", () => {
  const kiss = (code: string): NtpTestServer['overrides'] => ({
    leap: 3,
    stratum: 0,
    referenceId: Buffer.from(code).readUInt32BE(),
  });

  test.each(['DENY', 'RSTR'])('after %s the server is never asked again, the others are', async (code) => {
    const [server, other] = [await serve({ overrides: kiss(code) }), await serve()];
    await calibrated(ask(server.port, other.port));
    const before = other.requests;
    await waitFor('the other is asked', () => other.requests >= before + 3 || notYet('not often'));
    expect(server.requests).toBe(1);
  });

  test('after RATE it is asked half as often, each time', async () => {
    const [server, other] = [await serve({ overrides: kiss('RATE') }), await serve()];
    await calibrated(ask(server.port, other.port));
    await waitFor('the other is asked ten times', () => other.requests >= 14 || notYet(`${other.requests}`));
    expect(server.requests).toBeLessThanOrEqual(4);
    expect(server.requests).toBeGreaterThanOrEqual(1);
  });

  test('one that somebody forged has no effect', async () => {
    const server = await serve({
      instead: (honest) => {
        const forged = changed(honest, 24);
        forged[1] = 0;
        forged.set(Buffer.from('DENY'), 12);
        return [forged, honest];
      },
    });
    const { clock } = await calibrated(ask(server.port));
    await closeTo(clock, 0, 1);
  });
});

test('each request is from another port, with a transmit timestamp that cannot be guessed', async () => {
  const server = await serve();
  await calibrated(ask(server.port));
  expect(new Set(server.seen.map(({ nonce }) => nonce)).size).toBe(server.requests);
  expect(new Set(server.seen.map(({ port }) => port)).size).toBeGreaterThan(1);
});

test('a silent server is asked three times', async () => {
  const server = await serve({ silent: true });
  const polled = new PolledServer({ host: '127.0.0.1', port: server.port }, intervalMs);
  expect(await polled.poll(new AbortController().signal)).toEqual({ kind: 'silent' });
  expect(server.requests).toBe(3);
});

test.each(['127.0.0.1', '255.255.255.255'])('where nobody may be asked, at %s, there is silence', async (address) => {
  expect(await queryOnce({ address, port: await freePort() }, 500)).toEqual({ kind: 'silent' });
});

test('a name that leads nowhere is no server, and a stop does not wait for anybody', async () => {
  const [silent, nowhere] = [await serve({ silent: true }), { host: 'nowhere.invalid', port: 123 }];
  const client = new NtpClient({ servers: [{ host: '127.0.0.1', port: silent.port }, nowhere] });
  await waitFor('it asks', () => silent.requests > 0 || notYet('it does not'));
  await client.stop();
  expect(silent.requests).toBe(1);
  expect(client.clock.errorBoundMs).toBe(Infinity);
});

test('without servers it tells the time of the machine, with an unknown error', async () => {
  const client = ask();
  expect(await client.calibrated(1000)).toBe(false);
  expect(Math.abs(client.clock.now() - machineNow())).toBeLessThan(20);
  expect(client.clock.errorBoundMs).toBe(Infinity);
  await waitFor(
    'the metric says so',
    async () => (await gaugeValue('clock_error_bound_seconds')) === Infinity || notYet(''),
  );
});

test("without servers, a machine's clock that is set is followed", async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
  toStop.push(async () => void vi.useRealTimers());
  const client = ask();
  await waitFor('it is followed', () => client.clock.offsetMs > 3_500_000 || notYet(`${client.clock.offsetMs}`));
});

test('the bound of the error is a metric', async () => {
  const server = await serve({ overrides: { rootDelayMs: 10, rootDispersionMs: 20 } });
  await calibrated(ask(server.port));
  const seconds = await gaugeValue('clock_error_bound_seconds');
  expect(seconds).toBeGreaterThanOrEqual(0.025);
  expect(seconds).toBeLessThan(1);
});

async function calibrated(client: NtpClient): Promise<NtpClient> {
  expect(await client.calibrated(10_000)).toBe(true);
  return client;
}

/** With another byte at `at`. */
function changed(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = copy[at]! ^ 0xff;
  return copy;
}

function with0(bytes: Uint8Array, first: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[0] = first;
  return copy;
}

/** The transmit timestamp set to some seconds from the receive timestamp. */
function moved(bytes: Uint8Array, seconds: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const view = new DataView(copy.buffer);
  view.setUint32(40, view.getUint32(32) + seconds);
  return copy;
}
