import { createServer, type IncomingMessage } from 'node:http';
import { type Duplex, duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import {
  checkClientTime,
  offeredSubprotocols,
  resumeTokenOf,
  TokenIssuer,
  TokenVerifier,
  UpgradeAuthenticator,
} from '@flotilla/auth';
import { errorCatalogue, FlotillaError, subprotocol, TokenClaims } from '@flotilla/contracts';
import { testParser } from '@flotilla/testkit/fuzz';
import { beforeAll, expect } from 'vitest';
import { clientConnection, trustOf } from '@flotilla/runtime';
import { refuse } from '../src/edge/refuse.ts';
import { handshakeProblem } from '../src/edge/upgrade-check.ts';

const settings = { secret: 's'.repeat(32), issuer: 'flotilla', audience: 'flotilla' };
const authenticator = new UpgradeAuthenticator(new TokenVerifier(settings));
const trusts = trustOf(['10.0.0.0/8']);
/** In place of these words a seed has a token that is valid now, and this time. */
const placeholders = { token: '@token@', now: '@now@' };
let token = '';
beforeAll(async () => {
  ({ token } = await new TokenIssuer(settings).issue({ userId: 'ada', grants: ['publish'], ttlSeconds: 900 }));
});

/** The checks of a request in the order in which a gateway makes them. Throws FlotillaError. */
async function admit(request: IncomingMessage): Promise<string> {
  const client = clientConnection({ peer: '10.0.0.1', encrypted: true, headers: request.headers }, trusts);
  expect(client.address).toMatch(/^[\da-f.:]+$/);
  if (!offeredSubprotocols(request).includes(subprotocol)) throw new FlotillaError('BAD_MESSAGE');
  checkClientTime(request, { required: false });
  const resumeToken = resumeTokenOf(request);
  if (resumeToken !== undefined) return 'resume';
  expect(TokenClaims.safeParse(await authenticator.authenticate(request)).success).toBe(true);
  return 'accepted';
}

/** What a server makes of the first request on a connection that sends these bytes and ends. */
async function outcomeOf(bytes: Buffer): Promise<string> {
  const [client, server] = duplexPair();
  const outcome = Promise.withResolvers<string>();
  const refused = (error: unknown): void => {
    if (!(error instanceof FlotillaError)) return outcome.reject(error);
    if (error.code === 'INTERNAL') return outcome.reject(error.cause);
    refuse(server, { error, headers: {} });
    outcome.resolve(error.code);
  };
  const onRequest = (request: IncomingMessage, socket: Duplex): void => {
    const problem = handshakeProblem(request);
    if (problem) {
      refuse(socket, problem);
      outcome.resolve(problem.error.code);
    } else
      admit(request).then((admitted) => {
        socket.destroy();
        outcome.resolve(admitted);
      }, refused);
  };
  const http = createServer({ joinDuplicateHeaders: false }, (request) => onRequest(request, server));
  http.on('upgrade', onRequest);
  http.on('clientError', () => {
    server.destroy();
    outcome.resolve('not HTTP');
  });
  server.on('close', () => outcome.resolve('not HTTP'));
  http.emit('connection', server);
  client.on('error', () => undefined);
  client.end(bytes);
  const answer = text(client).catch(() => '');
  const code = await outcome.promise;
  if (code in errorCatalogue) checkAnswer(await answer);
  server.destroy();
  client.destroy();
  return code;
}

/** A refusal is one response, whose length is that of its body. */
function checkAnswer(answer: string): void {
  const [head = '', ...body] = answer.split('\r\n\r\n');
  expect(head).toMatch(/^HTTP\/1\.1 4\d\d [A-Z][A-Za-z ]+(\r\n[A-Z][A-Za-z-]*: [ -~]+)+$/);
  expect(body).toHaveLength(1);
  expect(Buffer.byteLength(body[0]!)).toBe(Number(/Content-Length: (\d+)/.exec(head)?.[1]));
  expect(JSON.parse(body[0]!)).toMatchObject({ error: { code: expect.any(String) as string } });
}

testParser('HTTP upgrade', new URL('corpus/http-upgrade/', import.meta.url), {
  outcomes: [
    ...['accepted', 'resume', 'not HTTP', 'BAD_MESSAGE', 'UPGRADE_REQUIRED', 'UNAUTHENTICATED', 'CLOCK_SKEW'],
    ...['TOKEN_INVALID', 'TOKEN_EXPIRED'],
  ],
  // Node reads 16 KiB of header fields.
  maxBytes: 16_384,
  words: [
    ...[
      'Upgrade: websocket\r\n',
      'Connection: Upgrade\r\n',
      'Sec-WebSocket-Protocol: ',
      'flotilla.v1',
      'flotilla.token.',
    ],
    ...[
      'Authorization: Bearer ',
      'Authorization: ',
      'flotilla-time: ',
      'flotilla.time.',
      'X-Forwarded-For: ',
      'HTTP/1.0',
    ],
    ...['Transfer-Encoding: chunked\r\n', 'Content-Length: 5\r\n', placeholders.token, '10.0.0.1', '[::1]:1'],
  ],
  outcomeOf: (input) => {
    const bytes = input
      .toString('latin1')
      .replaceAll(placeholders.token, token)
      .replaceAll(placeholders.now, String(Date.now()));
    return outcomeOf(Buffer.from(bytes, 'latin1'));
  },
});
