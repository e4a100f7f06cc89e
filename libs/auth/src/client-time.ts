import type { IncomingMessage } from 'node:http';
import { FlotillaError, maxClockSkewMs, timeHeader, timeSubprotocolPrefix } from '@flotilla/contracts';
import { subprotocolWith } from './upgrade-auth.ts';

/** The client's time in the request: the header, or, for browsers, the subprotocol entry `flotilla.time.<ms>`. */
function clientTimeOf(request: IncomingMessage): string | undefined {
  const header = request.headers[timeHeader];
  return header === undefined ? subprotocolWith(timeSubprotocolPrefix, request) : String(header);
}

/**
 * Refuses a client whose clock differs by more than `maxClockSkewMs`, so that a recorded upgrade request cannot be replayed later.
 * `now` is the server's clock in ms since the Unix epoch. Default `Date.now`.
 *
 * @throws FlotillaError CLOCK_SKEW with the difference; BAD_MESSAGE for an invalid time; UNAUTHENTICATED when it is required and
 * missing.
 */
export function checkClientTime(
  request: IncomingMessage,
  { required, now = Date.now }: { required: boolean; now?: () => number },
): void {
  const given = clientTimeOf(request);
  if (given === undefined) {
    if (!required) return;
    throw new FlotillaError(
      'UNAUTHENTICATED',
      `send your clock in milliseconds since the Unix epoch: header \`${timeHeader}: <ms>\` or subprotocol entry \`${timeSubprotocolPrefix}<ms>\``,
    );
  }
  if (!/^\d{1,16}$/.test(given))
    throw new FlotillaError('BAD_MESSAGE', 'the client time is not milliseconds since the Unix epoch');
  const ahead = Number(given) - now();
  if (Math.abs(ahead) <= maxClockSkewMs) return;
  const seconds = (Math.abs(ahead) / 1000).toFixed(1);
  throw new FlotillaError(
    'CLOCK_SKEW',
    `your clock is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} ours; at most ${maxClockSkewMs / 1000} s are allowed`,
  );
}
