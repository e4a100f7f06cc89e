import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorCatalogue, FlotillaError } from '@flotilla/contracts';

/** Whether an address of the server is reached from this machine only. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

/** Host names under which a server that listens at a loopback address is used, as in a `Host` field without the port. */
export const localHosts = (listensAt: string): string[] => ['localhost', '127.0.0.1', '[::1]', listensAt];

/**
 * Refuses what a page of another site makes the user's browser send to a server that serves its user's browser without a key: a request
 * to another host name, which was made to resolve to this machine (DNS rebinding), and one that the browser marks as cross-site
 * (Fetch Metadata, section 2.4) or with another origin (RFC 6454, section 7).
 */
export const localRequestsOnly =
  (hosts: readonly string[]) =>
  (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    const problem = foreignness(request, hosts);
    if (problem === undefined) return next();
    const { body, code } = new FlotillaError('FORBIDDEN', problem);
    response
      .writeHead(errorCatalogue[code].status, { 'content-type': 'application/json' })
      .end(JSON.stringify({ error: body }));
  };

function foreignness({ method, headers }: IncomingMessage, hosts: readonly string[]): string | undefined {
  const { host = '', origin } = headers;
  const isLocal = (url: string): boolean => URL.canParse(url) && hosts.includes(new URL(url).hostname);
  if (!isLocal(`http://${host}`))
    return `served at localhost only, not at ${host}; set FLOTILLA_API_KEYS to serve others`;
  if (method === 'GET' || method === 'HEAD') return undefined;
  if (origin !== undefined && !(isLocal(origin) && new URL(origin).host === host))
    return `pages from ${origin} may not send requests to this server`;
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return undefined;
  return 'pages of other sites may not send requests to this server';
}
