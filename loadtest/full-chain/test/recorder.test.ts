import { FlotillaError } from '@flotilla/contracts';
import { describe, expect, test } from 'vitest';
import { Recorder } from '../src/recorder.ts';

describe('the record of a load', () => {
  test('has times by step, failures by step and code, and both by second', async () => {
    let now = 0;
    const recorder = new Recorder(() => now);
    await recorder.time('token', () => Promise.resolve((now = 40)));
    const refused = recorder.time('join', () => {
      now = 1200;
      return Promise.reject(new FlotillaError('NO_CAPACITY'));
    });
    await expect(refused).rejects.toThrow();
    recorder.add('entry', 70);
    expect(recorder.summary.find(({ step }) => step === 'token')).toMatchObject({ count: 1, p50: 40 });
    expect(recorder.failures).toEqual([['join: NO_CAPACITY', 1]]);
    expect(recorder.errorShare).toBe(0.5);
    expect(recorder.perSecond).toEqual([
      { entered: 0, failed: 0, entryP95: null, dispatchP95: null },
      { entered: 1, failed: 1, entryP95: 70, dispatchP95: null },
    ]);
  });
});
