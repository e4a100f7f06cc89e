import { FlotillaError } from '@flotilla/contracts';
import { createLogger, metricsRegistry } from '@flotilla/runtime';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CallGuard, type CallGuardOptions, type OutcomeOf, type Target } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const registry: Target = { kind: 'registry', name: 'registry', isInstance: false };
const node = (id: string): Target => ({ kind: 'sfu', name: `sfu.${id}`, isInstance: true });

const outcomeOf: OutcomeOf<unknown> = (settled) => {
  if ('value' in settled) return 'answered';
  const { code, message } = settled.error as FlotillaError;
  if (message === 'left') return 'absent';
  if (message === 'broker') return 'unknown';
  return code === 'DEADLINE_EXCEEDED' || code === 'UNAVAILABLE' ? 'failed' : 'answered';
};

let guard: CallGuard;
beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  guard.stop();
  vi.useRealTimers();
});
const guarding = (options: Partial<CallGuardOptions> = {}): CallGuard =>
  (guard = new CallGuard({ log, lastingMs: 0, ...options }));

const answers = (target: Target) => guard.call(target, async () => 'answer', outcomeOf);
const fails = (target: Target, error = new FlotillaError('DEADLINE_EXCEEDED')) =>
  guard.call(target, () => Promise.reject(error), outcomeOf).catch(({ code }: FlotillaError) => code);
/** The code and the time of the refusal of a call that must not be sent. */
const refused = async (target: Target) => {
  const sent = vi.fn(async () => 'answer');
  const result: unknown = await guard.call(target, sent, outcomeOf).catch((error: unknown) => error);
  expect(sent).not.toHaveBeenCalled();
  const { code, retryAfterMs } = result as { code: string; retryAfterMs: number };
  return { code, retryAfterMs };
};
const opened = async (target: Target) => {
  for (let call = 0; call < 5; call++) await fails(target);
};
const metric = async (name: string, labels: Record<string, string>): Promise<number> => {
  const { values } = await metricsRegistry.getSingleMetric(name)!.get();
  return values.find((each) => Object.entries(labels).every(([key, value]) => each.labels[key] === value))?.value ?? 0;
};

describe('the breaker of a service', () => {
  test('opens after 5 consecutive failures and refuses calls at once, with the time of its trial call', async () => {
    guarding();
    for (let call = 0; call < 4; call++) expect(await fails(registry)).toBe('DEADLINE_EXCEEDED');
    expect(await answers(registry)).toBe('answer');
    await opened(registry);
    expect(await refused(registry)).toEqual({ code: 'UNAVAILABLE', retryAfterMs: 120_000 });
    expect(guard.open()).toEqual([{ target: 'registry', kind: 'registry', state: 'open', since: Date.now() }]);
    expect(await metric('flotilla_breakers', { kind: 'registry', state: 'open' })).toBe(1);
  });

  test('does not open for refusals that are answers, nor for what says nothing about the service', async () => {
    guarding();
    for (let call = 0; call < 20; call++) {
      await fails(registry, new FlotillaError('NOT_FOUND'));
      await fails(registry, new FlotillaError('UNAVAILABLE', 'broker'));
    }
    expect(guard.open()).toEqual([]);
  });

  test('does not open before failures have lasted long enough', async () => {
    guarding({ lastingMs: 5000 });
    for (let call = 0; call < 20; call++) await fails(registry, new FlotillaError('UNAVAILABLE'));
    expect(guard.open()).toEqual([]);
    vi.advanceTimersByTime(5000);
    await fails(registry, new FlotillaError('UNAVAILABLE'));
    expect(guard.open()).toHaveLength(1);
  });

  test('does not count the timeouts of calls that began before its last answer', async () => {
    guarding();
    const late = Array.from({ length: 20 }, () => Promise.withResolvers<never>());
    const calls = late.map(({ promise }) => guard.call(registry, () => promise, outcomeOf).catch(() => undefined));
    vi.advanceTimersByTime(1);
    await answers(registry);
    vi.advanceTimersByTime(4000);
    for (const { reject } of late) reject(new FlotillaError('DEADLINE_EXCEEDED'));
    await Promise.all(calls);
    expect(guard.open()).toEqual([]);
  });

  test('sends one trial call after the time, refuses others meanwhile, and closes with its answer', async () => {
    guarding();
    await opened(registry);
    vi.advanceTimersByTime(119_999);
    await refused(registry);
    vi.advanceTimersByTime(1);
    const trial = Promise.withResolvers<string>();
    const calling = guard.call(registry, () => trial.promise, outcomeOf);
    expect(guard.open()).toMatchObject([{ state: 'half_open' }]);
    await refused(registry);
    trial.resolve('answer');
    expect(await calling).toBe('answer');
    expect(guard.open()).toEqual([]);
    expect(await answers(registry)).toBe('answer');
  });

  test('opens again when the trial call fails', async () => {
    guarding();
    await opened(registry);
    vi.advanceTimersByTime(120_000);
    expect(await fails(registry)).toBe('DEADLINE_EXCEEDED');
    expect(await refused(registry)).toEqual({ code: 'UNAVAILABLE', retryAfterMs: 120_000 });
  });

  test('does not open while a broker that all share cannot be used, and closes when it can again', async () => {
    let problem: string | undefined;
    guarding({ sharedProblem: () => problem });
    await opened(registry);
    problem = 'Redis is unavailable';
    await opened(node('nd_a'));
    expect(guard.open()).toMatchObject([{ target: 'registry' }]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(guard.open()).toHaveLength(1);
    problem = undefined;
    await vi.advanceTimersByTimeAsync(1000);
    expect(guard.open()).toEqual([]);
  });
});

describe('the breaker of an instance', () => {
  test('refuses calls with NODE_UNAVAILABLE for at most 10 s, and none to others', async () => {
    guarding();
    await opened(node('nd_a'));
    expect(await refused(node('nd_a'))).toEqual({ code: 'NODE_UNAVAILABLE', retryAfterMs: 10_000 });
    expect(await answers(node('nd_b'))).toBe('answer');
    expect(guard.refused()).toEqual(['sfu.nd_a']);
    vi.advanceTimersByTime(10_000);
    expect(guard.refused()).toEqual([]);
    expect(await answers(node('nd_a'))).toBe('answer');
  });

  test('closes at once when the instance answers probes again, not when it has answered them throughout', async () => {
    let result: 'answered' | 'failed' = 'answered';
    guarding({ probe: async () => result, instanceHalfOpenMs: 60_000 });
    await opened(node('nd_a'));
    await vi.advanceTimersByTimeAsync(3000);
    expect(guard.open()).toHaveLength(1);
    result = 'failed';
    await vi.advanceTimersByTimeAsync(1000);
    result = 'answered';
    await vi.advanceTimersByTimeAsync(1000);
    expect(guard.open()).toEqual([]);
    expect(await answers(node('nd_a'))).toBe('answer');
  });

  test('is dropped when the instance has left', async () => {
    guarding({ probe: async (name) => (name === 'sfu.nd_a' ? 'absent' : 'failed') });
    await opened(node('nd_a'));
    await opened(node('nd_b'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(guard.open()).toMatchObject([{ target: 'sfu.nd_b' }]);
    vi.advanceTimersByTime(10_000);
    await fails(node('nd_b'), new FlotillaError('NODE_UNAVAILABLE', 'left'));
    expect(guard.open()).toEqual([]);
    expect(await metric('flotilla_breakers', { kind: 'sfu', state: 'open' })).toBe(0);
  });

  test('is one of at most 1,024: others are forgotten, or not guarded', async () => {
    guarding();
    await opened(node('nd_open'));
    for (let index = 0; index < 3000; index++) expect(await answers(node(`nd_${index}`))).toBe('answer');
    expect(guard.open()).toMatchObject([{ target: 'sfu.nd_open' }]);
  });
});

describe('the bulkhead of a target', () => {
  test('refuses calls above its limit, and none to others', async () => {
    guarding();
    const pending = Promise.withResolvers<string>();
    const calls = Array.from({ length: 5000 }, () => guard.call(registry, () => pending.promise, outcomeOf));
    expect(await refused(registry)).toEqual({ code: 'UNAVAILABLE', retryAfterMs: 1000 });
    expect(await answers(node('nd_a'))).toBe('answer');
    pending.resolve('answer');
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['answer']));
    expect(await answers(registry)).toBe('answer');
    expect(guard.open()).toEqual([]);
  });
});
