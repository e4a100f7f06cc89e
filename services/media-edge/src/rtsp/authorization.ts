import { createHash, randomBytes } from 'node:crypto';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Computes the header `Authorization` of a request. */
export type Authorize = (method: string, uri: string) => string;

const algorithms: Readonly<Record<string, string>> = { md5: 'md5', 'sha-256': 'sha256' };

/**
 * How to answer the challenges of a server (`WWW-Authenticate`): by Digest (RFC 7616, and RFC 2069 without `qop`) where it is offered,
 * else by Basic (RFC 7617). Undefined when none of them is known.
 */
export function authorizationFor(challenges: readonly string[], credentials: Credentials): Authorize | undefined {
  const digests = challenges.flatMap((challenge) => digestOf(challenge, credentials) ?? []);
  if (digests.length > 0) return digests[0];
  if (!challenges.some((challenge) => /^basic\b/i.test(challenge))) return undefined;
  const basic = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
  return () => `Basic ${basic}`;
}

function digestOf(challenge: string, { user, password }: Credentials): Authorize | undefined {
  if (!/^digest\b/i.test(challenge)) return undefined;
  const parameter = (name: string): string | undefined => {
    const [, quoted, token] = new RegExp(`[\\s,]${name}\\s*=\\s*(?:"([^"]*)"|([^\\s,]+))`, 'i').exec(challenge) ?? [];
    return quoted ?? token;
  };
  const [realm = '', nonce = '', opaque, algorithm = 'MD5'] = ['realm', 'nonce', 'opaque', 'algorithm'].map(parameter);
  const hashName = algorithms[algorithm.toLowerCase()];
  if (hashName === undefined) return undefined;
  const hash = (text: string): string => createHash(hashName).update(text).digest('hex');
  const hasQop =
    parameter('qop')
      ?.split(/[\s,]+/)
      .includes('auth') ?? false;
  const secret = hash(`${user}:${realm}:${password}`);
  let count = 0;
  return (method, uri) => {
    const target = hash(`${method}:${uri}`);
    const fields = [`username="${user}"`, `realm="${realm}"`, `nonce="${nonce}"`, `uri="${uri}"`];
    if (parameter('algorithm') !== undefined) fields.push(`algorithm=${algorithm}`);
    if (opaque !== undefined) fields.push(`opaque="${opaque}"`);
    if (!hasQop) fields.push(`response="${hash(`${secret}:${nonce}:${target}`)}"`);
    else {
      const [nc, cnonce] = [(++count).toString(16).padStart(8, '0'), randomBytes(8).toString('hex')];
      const response = hash(`${secret}:${nonce}:${nc}:${cnonce}:auth:${target}`);
      fields.push('qop=auth', `nc=${nc}`, `cnonce="${cnonce}"`, `response="${response}"`);
    }
    return `Digest ${fields.join(', ')}`;
  };
}
