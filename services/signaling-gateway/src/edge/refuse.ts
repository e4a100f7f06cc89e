import { randomInt } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorCatalogue } from '@flotilla/contracts';
import type { Refusal } from './upgrade-check.ts';

/** Writes an HTTP response to a socket without a response object, such as that of an upgrade, and closes it. */
export function refuse(socket: Duplex, { error, headers }: Refusal): void {
  if (socket.destroyed) return;
  const { status } = errorCatalogue[error.code];
  const body = JSON.stringify({ error: error.body });
  const { Connection: option, ...others } = headers;
  const fields = {
    Connection: option === undefined ? 'close' : `${option}, close`,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    ...(status === 401 && { 'WWW-Authenticate': 'Bearer' }),
    // Random, so that clients that were refused together do not retry together.
    ...((status === 429 || status === 503) && { 'Retry-After': 1 + randomInt(5) }),
    ...others,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  socket.on('error', () => socket.destroy());
  // A client that does not close its half would keep the socket open.
  socket.once('finish', () => socket.destroy());
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...lines, '', body].join('\r\n'));
}
