import { describe, expect, test } from 'vitest';
import { FairQueue } from '../src/index.ts';

/** Work that ends on request, and the order in which it was started. */
class Works {
  readonly started: string[] = [];
  readonly #running: (() => void)[] = [];

  start(name: string): () => Promise<string> {
    return () => {
      const done = Promise.withResolvers<string>();
      this.started.push(name);
      this.#running.push(() => done.resolve(name));
      return done.promise;
    };
  }

  /** Ends the work that was started first, and lets what waits for it begin. */
  async endOne(): Promise<void> {
    this.#running.shift()!();
    await new Promise(setImmediate);
  }
}

const names = (key: string, count: number): string[] => Array.from({ length: count }, (_, index) => `${key}${index}`);

describe('FairQueue', () => {
  test('a key with one call is served next, however many calls of another key wait', async () => {
    const queue = new FairQueue({ concurrency: 2, concurrencyPerKey: 2, maxPerKey: 100 });
    const works = new Works();
    for (const name of names('a', 50)) void queue.run('a', works.start(name));
    void queue.run('b', works.start('b0'));
    expect(works.started).toEqual(['a0', 'a1']);
    await works.endOne();
    await works.endOne();
    expect(works.started).toEqual(['a0', 'a1', 'b0', 'a2']);
  });

  test('keys with waiting calls take turns, and each is served in the order of its calls', async () => {
    const queue = new FairQueue({ concurrency: 1, concurrencyPerKey: 1, maxPerKey: 100 });
    const works = new Works();
    const calls = ['a', 'b', 'c'].flatMap((key) => names(key, 3).map((name) => queue.run(key, works.start(name))));
    for (const _ of calls) await works.endOne();
    await expect(Promise.all(calls)).resolves.toHaveLength(9);
    expect(works.started).toEqual(['a0', 'b0', 'c0', 'a1', 'b1', 'c1', 'a2', 'b2', 'c2']);
  });

  test('a key runs no more calls at a time than its share while there is room for others', async () => {
    const queue = new FairQueue({ concurrency: 10, concurrencyPerKey: 2, maxPerKey: 100 });
    const works = new Works();
    for (const name of names('a', 5)) void queue.run('a', works.start(name));
    void queue.run('b', works.start('b0'));
    expect(works.started).toEqual(['a0', 'a1', 'b0']);
    await works.endOne();
    expect(works.started).toEqual(['a0', 'a1', 'b0', 'a2']);
  });

  test('calls beyond the bound of a key are refused with RATE_LIMITED, and other keys are served', async () => {
    const queue = new FairQueue({ concurrency: 1, concurrencyPerKey: 1, maxPerKey: 3 });
    const works = new Works();
    for (const name of names('a', 3)) void queue.run('a', works.start(name));
    await expect(queue.run('a', works.start('a3'))).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    void queue.run('b', works.start('b0'));
    for (let ended = 0; ended < 3; ended++) await works.endOne();
    expect(works.started).toContain('b0');
    void queue.run('a', works.start('a4'));
    await works.endOne();
    expect(works.started).toContain('a4');
  });

  test('work that fails rejects its call and gives its turn to the next', async () => {
    const queue = new FairQueue({ concurrency: 1, concurrencyPerKey: 1, maxPerKey: 3 });
    const failed = queue.run('a', () => Promise.reject(new Error('no')));
    const next = queue.run('b', async () => 'done');
    await expect(failed).rejects.toThrow('no');
    await expect(next).resolves.toBe('done');
  });
});
