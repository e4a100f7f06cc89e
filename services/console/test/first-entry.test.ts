import { afterEach, describe, expect, test, vi } from 'vitest';
import { requestFirstEntry, tokenOf } from '../web/call/entry.ts';

const request = { room: 'lobby', name: 'Ada' };
const limited = (retryAfter: string): Response =>
  Response.json(
    { error: { code: 'RATE_LIMITED', message: 'too many entries' } },
    {
      status: 429,
      headers: { 'retry-after': retryAfter },
    },
  );

/** Answers of the console, one for each request. */
function answerWith(...answers: readonly Response[]) {
  const send = vi.fn<typeof fetch>();
  for (const answer of answers) send.mockResolvedValueOnce(answer);
  vi.stubGlobal('fetch', send);
  return send;
}
afterEach(() => vi.unstubAllGlobals());

describe('the first entry of the call page', () => {
  test('is repeated after Retry-After while its address is above the rate', async () => {
    const send = answerWith(limited('0'), limited('0'), Response.json({ token: 't' }));
    expect(tokenOf(await requestFirstEntry(request, AbortSignal.timeout(10_000)))).toBe('t');
    expect(send).toHaveBeenCalledTimes(3);
  });

  test('ends with RATE_LIMITED when Retry-After is beyond a minute', async () => {
    const send = answerWith(limited('61'));
    const entry = await requestFirstEntry(request, AbortSignal.timeout(10_000));
    expect(() => tokenOf(entry)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
    expect(send).toHaveBeenCalledTimes(1);
  });

  test('is not repeated after another error', async () => {
    const error = { code: 'FORBIDDEN', message: 'only with a token' };
    const send = answerWith(Response.json({ error, url: 'https://a.example' }, { status: 403 }));
    expect(await requestFirstEntry(request, AbortSignal.timeout(10_000))).toEqual({ error, url: 'https://a.example' });
    expect(send).toHaveBeenCalledTimes(1);
  });

  test('does not wait longer than its signal', async () => {
    const abort = new AbortController();
    const send = answerWith(limited('59'));
    send.mockRejectedValueOnce(new DOMException('aborted', 'AbortError'));
    const entry = requestFirstEntry(request, abort.signal);
    abort.abort();
    await expect(entry).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
