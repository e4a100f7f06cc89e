import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { SignalSession } from '../src/signaling/index.ts';

let server: Server;
afterEach(() => server.close());

interface Answer {
  readonly status: number;
  readonly body?: string;
}

/** A server that refuses every upgrade, which browsers do not explain, and gives each of these answers when asked why. */
async function refusing(...answers: readonly Answer[]): Promise<string> {
  const left = [...answers];
  server = createServer((_request, response) => {
    const { status, body } = left.length > 1 ? left.shift()! : left[0]!;
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(body);
  });
  server.on('upgrade', (_request, socket) =>
    socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const refusal = (status: number, code: string): Answer => ({
  status,
  body: JSON.stringify({ error: { code, message: `why ${code}` } }),
});

const ignored = (): undefined => undefined;
const handlers = {
  onEvent: ignored,
  onDisconnected: ignored,
  onResumed: ignored,
  onRestarted: async () => undefined,
  onRefreshed: ignored,
  onEnded: ignored,
};
const open = (url: string, token = 'header.payload.signature', signal?: AbortSignal): Promise<unknown> =>
  SignalSession.open(url, token, handlers, signal).then(
    () => 'open',
    (error: unknown) => error,
  );

describe('a refused connection', () => {
  test("rejects with the server's reason", async () => {
    const url = await refusing(refusal(401, 'TOKEN_REPLAYED'));
    expect(await open(url)).toMatchObject({ code: 'TOKEN_REPLAYED', message: 'why TOKEN_REPLAYED' });
  });

  test('whose credential is accepted when asked is blocked on the way: UNAVAILABLE, not a used token', async () => {
    const url = await refusing({ status: 204 });
    expect(await open(url)).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('no WebSocket to it opens') as string,
    });
  });

  test('names the status that a proxy answered with', async () => {
    const url = await refusing({ status: 502, body: '<html>Bad Gateway</html>' });
    expect(await open(url)).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ answered 502$/) as string,
    });
  });

  test('with a code that a newer server added is INTERNAL with its message', async () => {
    const url = await refusing(refusal(409, 'ADDED_LATER'));
    expect(await open(url)).toMatchObject({ code: 'INTERNAL', message: 'why ADDED_LATER' });
  });

  test.each([refusal(429, 'RATE_LIMITED'), refusal(503, 'OVERLOADED'), { status: 429, body: 'slow down' }])(
    'with %j is tried again, and rejects with what comes then',
    async (answer) => {
      const url = await refusing(answer, refusal(401, 'TOKEN_EXPIRED'));
      expect(await open(url)).toMatchObject({ code: 'TOKEN_EXPIRED' });
    },
  );

  test('is not tried again once the application has aborted', async () => {
    const url = await refusing(refusal(429, 'RATE_LIMITED'));
    const abort = new AbortController();
    const opening = open(url, undefined, abort.signal);
    server.once('request', () => setTimeout(() => abort.abort(new Error('left')), 20));
    expect(await opening).toMatchObject({ message: 'left' });
  });

  test.each(['header.payload\nsignature', ' header.payload', 'a,b', ''])(
    'because the token %j cannot be one is TOKEN_INVALID, without the token in its message',
    async (token) => {
      const error = await open(await refusing({ status: 204 }), token);
      expect(error).toMatchObject({ code: 'TOKEN_INVALID' });
      expect((error as Error).message).not.toContain('payload');
    },
  );
});
