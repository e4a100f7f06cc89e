import { closeCodes } from '@flotilla/contracts';
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

/** A WebSocket to a server that opens a session and then closes the connection with 4403. */
class RevokingSocket extends SilentSocket {
  onmessage: (message: { data: string }) => void = () => undefined;
  onclose: (closed: { code: number; reason: string }) => void = () => undefined;
  constructor() {
    super();
    const payload = {
      sessionId: 'ss_a',
      resumed: false,
      resumeToken: 'r',
      resumeWindowSeconds: 30,
      heartbeatSeconds: 15,
      expiresAt: Date.now() + 60_000,
      offsets: {},
    };
    const welcome = { type: 'welcome', from: 'system', to: 'user:u', routedAt: Date.now(), payload };
    setTimeout(() => this.onmessage({ data: JSON.stringify(welcome) }), 1);
    setTimeout(() => this.onclose({ code: closeCodes.SESSION_REVOKED, reason: '' }), 2);
  }
}

const newHandlers = () => ({
  onEvent: vi.fn(),
  onDisconnected: vi.fn(),
  onResumed: vi.fn(),
  onRestarted: vi.fn(),
  onRefreshed: vi.fn(),
  onEnded: vi.fn(),
});

test('a session whose server sends no welcome within 10 s rejects with UNAVAILABLE, and leaves the session resumable', async () => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', SilentSocket);
  const handlers = newHandlers();
  const opening = SignalSession.open('http://calls.example', 'token', handlers).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(10_001);
  expect(await opening).toMatchObject({ code: 'UNAVAILABLE' });
  // A close code would end the session on the server.
  expect(SilentSocket.opened.map(({ closedWith }) => closedWith)).toEqual([[]]);
});

test('a session that an operator revoked ends with SESSION_REVOKED, and no other one is opened', async () => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', RevokingSocket);
  const handlers = newHandlers();
  const token = vi.fn(() => Promise.resolve('token'));
  const opening = SignalSession.open('http://calls.example', token, handlers);
  await vi.advanceTimersByTimeAsync(10);
  await opening;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(handlers.onEnded.mock.calls).toMatchObject([[{ code: 'SESSION_REVOKED' }]]);
  expect(handlers.onDisconnected).not.toHaveBeenCalled();
  expect(token).toHaveBeenCalledOnce();
});
