import type { IncomingMessage } from 'node:http';
import { type ApiKey, apiKeyList, newApiKey } from '@flotilla/auth';
import { FlotillaError } from '@flotilla/contracts';
import { isOfOwnUser } from './connection-owner.ts';

/** Where a client without the key finds it. */
export const whereStartKeyIs = 'this server printed its key when it started';

/** The keys of a start for which none are configured. */
interface StartKeys {
  /** With all scopes: for the user who started the server, and for its pages. */
  readonly key: string;
  /** Issues the join tokens of the call page. It has a rate of its own, which the user's programs do not use up. */
  readonly consoleKey: string;
  readonly known: readonly ApiKey[];
}

export function newStartKeys(): StartKeys {
  const [own, console_] = [newApiKey('standalone', '*'), newApiKey('console', ['rooms', 'tokens'])];
  const known = apiKeyList().parse(`${own.entry},${console_.entry}`);
  return { key: own.key, consoleKey: console_.key, known };
}

/** Fields that proxies add: behind one that the user runs, clients of anywhere have the user's connections. */
const forwardingFields = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host'];

/**
 * Answers a request for the key with it, when a page of this server sent it: the browser says so (Fetch Metadata, section 2.4; scripts of
 * pages cannot set the field), and runs for the user who started the server. Programs can write any field, hence the conditions after the first.
 *
 * @throws FlotillaError FORBIDDEN
 */
export const keyForPages =
  (key: string) =>
  async ({ headers, socket }: IncomingMessage): Promise<string> => {
    if (headers['sec-fetch-site'] !== 'same-origin')
      throw new FlotillaError('FORBIDDEN', `only pages of this server are given its key; ${whereStartKeyIs}`);
    if (forwardingFields.some((name) => name in headers))
      throw new FlotillaError(
        'FORBIDDEN',
        `the key is not given to requests that a proxy forwards; ${whereStartKeyIs}`,
      );
    if (!(await isOfOwnUser(socket)))
      throw new FlotillaError('FORBIDDEN', `pages of another user enter the key; ${whereStartKeyIs}`);
    return key;
  };

/** What the standalone prints of its key. */
export const startKeyText = (key: string, url: string): string =>
  `The REST API takes the key of this start. Pages have it already; in other terminals:

  export FLOTILLA_API_KEY=${key}
  curl -H "Authorization: Bearer $FLOTILLA_API_KEY" ${url}/v1/rooms
`;
