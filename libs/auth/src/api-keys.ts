import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { ApiScope } from '@flotilla/contracts';
import { z } from 'zod';

/** A key of the REST API. The key itself is not known: only its hash is configured. */
export interface ApiKey {
  /** What the audit log calls it. */
  readonly name: string;
  /** The tenant whose rooms and users it is for. Undefined: it is for the whole fleet. */
  readonly tenant?: string | undefined;
  readonly scopes: readonly ApiScope[];
  /** SHA-256 of the key. A key has 256 random bits, so that a slow hash would protect it no better. */
  readonly hash: Buffer;
}

/** Maximum number of keys: each request is compared with all of them. */
const maxApiKeys = 100;
const entryForm = /^([a-z0-9][a-z0-9_-]{0,62})(?:@([a-z0-9]{1,20}))?:(\*|[a-z]+(?:\+[a-z]+)*):([0-9a-f]{64})$/;

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** API keys, separated by commas or line breaks, each as `NAME:SCOPE+SCOPE:HASH` or `NAME@TENANT:...`; `*` for all scopes. */
export const apiKeyList = () =>
  z.string().transform((text, context): ApiKey[] => {
    const keys: ApiKey[] = [];
    const wrong = (message: string): void => context.addIssue({ code: 'custom', message });
    // Entries are not quoted: one may be a key that somebody put there instead of its hash.
    for (const [index, entry] of text.split(/[,\n]/).entries()) {
      if (entry.trim() === '') continue;
      const [, name = '', tenant, listed = '', hash = ''] = entryForm.exec(entry.trim()) ?? [];
      const scopes = z.array(ApiScope).safeParse(listed === '*' ? ApiScope.options : listed.split('+'));
      if (hash === '' || !scopes.success)
        wrong(`entry ${index + 1} is not NAME:SCOPE+SCOPE:SHA256; npm run api-key makes a key and its entry`);
      else if (keys.some((key) => key.name === name)) wrong(`entry ${index + 1} has the name of another key: ${name}`);
      else keys.push({ name, tenant, scopes: scopes.data, hash: Buffer.from(hash, 'hex') });
    }
    if (keys.length > maxApiKeys) wrong(`at most ${maxApiKeys} keys`);
    return keys;
  });

/** A new key, and the entry of `apiKeyList` for it. `name` may end with `@TENANT`. */
export function newApiKey(name: string, scopes: readonly ApiScope[] | '*'): { key: string; entry: string } {
  const key = randomBytes(32).toString('base64url');
  const listed = scopes === '*' ? scopes : scopes.join('+');
  return { key, entry: `${name}:${listed}:${sha256(key).toString('hex')}` };
}

/** The API key that a client sent, in constant time. */
export function knownApiKey(key: string, known: readonly ApiKey[]): ApiKey | undefined {
  const hash = sha256(key);
  // Compares all keys, so that the time does not reveal which one matched.
  const matches = known.map((each) => timingSafeEqual(hash, each.hash));
  return known[matches.indexOf(true)];
}
