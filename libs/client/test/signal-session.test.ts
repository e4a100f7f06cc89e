import { afterEach, expect, test, vi } from 'vitest';
import { SignalSession } from '../src/signaling/index.ts';

/** A WebSocket to a server that accepts the connection and sends nothing. */
class SilentSocket {
  static readonly opened: SilentSocket[] = [];
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  readyState = SilentSocket.CONNECTING;
  closedWith: unknown[] | undefined;
  onopen: () => void = () => undefined;
  constructor() {
    SilentSocket.opened.push(this);
    setTimeout(() => {
      this.readyState = SilentSocket.OPEN;
      this.onopen();
    });
  }
  close(...parameters: unknown[]): void {
    this.closedWith = parameters;
  }
}

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a session whose server sends no welcome within 10 s rejects with UNAVAILABLE, and leaves the session resumable', async () => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', SilentSocket);
  const handlers = {
    onEvent: vi.fn(),
    onDisconnected: vi.fn(),
    onResumed: vi.fn(),
    onRestarted: vi.fn(),
    onRefreshed: vi.fn(),
    onEnded: vi.fn(),
  };
  const opening = SignalSession.open('http://calls.example', 'token', handlers).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(10_001);
  expect(await opening).toMatchObject({ code: 'UNAVAILABLE' });
  // A close code would end the session on the server.
  expect(SilentSocket.opened.map(({ closedWith }) => closedWith)).toEqual([[]]);
});
