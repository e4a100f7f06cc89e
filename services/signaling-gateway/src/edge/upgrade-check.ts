import type { IncomingMessage } from 'node:http';
import { FlotillaError } from '@flotilla/contracts';

/** Why a request is refused, with the header fields of the answer. */
export interface Refusal {
  readonly error: FlotillaError;
  readonly headers: Readonly<Record<string, string>>;
}

/** RFC 9110 section 7.8: a sender of `Upgrade` lists it in `Connection`. */
const upgradeRequired = (upgrade: string, message: string, headers = {}): Refusal => ({
  error: new FlotillaError('UPGRADE_REQUIRED', message),
  headers: { Connection: 'Upgrade', Upgrade: upgrade, ...headers },
});

const badRequest = (message: string): Refusal => ({ error: new FlotillaError('BAD_MESSAGE', message), headers: {} });

/** Refuses plain HTTP, RFC 2817 section 4.2. TLS is not started on this connection; the client opens another one. */
export const tlsRequired = (): Refusal =>
  upgradeRequired('TLS/1.2, HTTP/1.1, websocket', 'plain HTTP is not served here: connect to a wss:// URL');

/** The reason why a request is not a valid opening handshake of a WebSocket, RFC 6455 section 4.2.1. */
export function handshakeProblem({ method, httpVersion, headers }: IncomingMessage): Refusal | undefined {
  if (method !== 'GET' && method !== 'HEAD') return badRequest(`a WebSocket is opened with GET, not ${method}`);
  // RFC 9110 section 7.8: without the connection option, Upgrade is ignored.
  const upgrade = /(^|,)\s*upgrade\s*(,|$)/i.test(headers.connection ?? '') ? headers.upgrade : undefined;
  if (upgrade === undefined) return upgradeRequired('websocket', 'this is a WebSocket endpoint');
  if (method !== 'GET' || upgrade.toLowerCase() !== 'websocket')
    return badRequest('this endpoint upgrades to websocket only, with GET');
  if (httpVersion !== '1.1') return badRequest(`HTTP/${httpVersion} has no upgrade, use HTTP/1.1`);
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? ''))
    return badRequest('Sec-WebSocket-Key is missing, or not 16 bytes in base64');
  // RFC 6455 section 4.4.
  if (headers['sec-websocket-version'] !== '13')
    return upgradeRequired('websocket', 'only version 13 of the WebSocket protocol is supported', {
      'Sec-WebSocket-Version': '13',
    });
  if (!isTokenList(headers['sec-websocket-protocol']))
    return badRequest('Sec-WebSocket-Protocol is not a list of distinct tokens');
  return undefined;
}

/** RFC 6455 section 4.1 rule 10; tokens as in RFC 9110 section 5.6.2. */
function isTokenList(header: string | undefined): boolean {
  if (header === undefined) return true;
  const tokens = header.split(',').map((token) => token.trim());
  return tokens.every((token) => /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/.test(token)) && new Set(tokens).size === tokens.length;
}
