import { describe, expect, test } from 'vitest';
import { RequestQueue } from '../src/sessions/request-queue.ts';

/** Work that ends when the test resolves it. */
function controlledWork(log: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const work = async (): Promise<void> => {
    log.push(`${name} started`);
    await promise;
    log.push(`${name} ended`);
  };
  return { work, end: resolve, fail: reject };
}

describe('request queue of a session', () => {
  test('requests with the same key run one after another in order of arrival', async () => {
    const queue = new RequestQueue();
    const log: string[] = [];
    const [first, second] = [controlledWork(log, 'first'), controlledWork(log, 'second')];
    const runs = [queue.run('a', first.work), queue.run('a', second.work)];
    second.end();
    first.end();
    await Promise.all(runs);
    expect(log).toEqual(['first started', 'first ended', 'second started', 'second ended']);
  });

  test('requests with different keys or without one start at once', async () => {
    const queue = new RequestQueue();
    const log: string[] = [];
    const works = ['a', 'b', undefined, undefined].map((key, index) => ({
      key,
      ...controlledWork(log, String(index)),
    }));
    const runs = works.map(({ key, work }) => queue.run(key, work));
    expect(log).toEqual(['0 started', '1 started', '2 started', '3 started']);
    for (const { end } of works) end();
    await Promise.all(runs);
  });

  test('a request that failed does not keep the next one with its key from running', async () => {
    const queue = new RequestQueue();
    const log: string[] = [];
    const [first, second] = [controlledWork(log, 'first'), controlledWork(log, 'second')];
    const runs = [queue.run('a', first.work), queue.run('a', second.work)];
    first.fail(new Error('failed'));
    second.end();
    await expect(runs[0]).rejects.toThrow('failed');
    await runs[1];
    expect(log).toEqual(['first started', 'second started', 'second ended']);
  });

  test('its size counts the requests that run and those that wait', async () => {
    const queue = new RequestQueue();
    const log: string[] = [];
    const [first, second] = [controlledWork(log, 'first'), controlledWork(log, 'second')];
    const runs = [queue.run('a', first.work), queue.run('a', second.work)];
    expect(queue.size).toBe(2);
    first.end();
    await runs[0];
    expect(queue.size).toBe(1);
    second.end();
    await runs[1];
    expect(queue.size).toBe(0);
  });
});
