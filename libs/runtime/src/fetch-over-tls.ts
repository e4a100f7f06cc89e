import { request } from 'node:https';

/** PEM texts for a connection. A `PemText` is read again for each. */
export interface ClientTls {
  /** Authorities that may have signed the certificate of the server. Default: those that Node trusts. */
  readonly ca?: string[] | undefined;
  /** Certificate that is presented to the server, and its key. */
  readonly cert?: string[] | undefined;
  readonly key?: string[] | undefined;
}

/** Longer bodies end the request. */
const maxBodyBytes = 16 * 2 ** 20;

/** Statuses whose responses have no body, which the constructor of Response refuses to be given one for. */
const withoutBody: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * A `fetch` for https: URLs with certificates of its own, which the global one cannot be given. Opens a connection for each request, and does
 * not follow redirects. Bodies are texts, those of responses at most `maxBodyBytes`.
 */
export function fetchOverTls({ ca, cert, key }: ClientTls): (url: URL, init: RequestInit) => Promise<Response> {
  const tls = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  return (url, { method = 'GET', headers, body, signal }) => {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const options = { method, headers: Object.fromEntries(new Headers(headers)), agent: false, ...tls };
    const sent = request(url, { ...options, ...(signal && { signal }) }, (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on('data', (part: Buffer) => {
        parts.push(part);
        bytes += part.length;
        if (bytes > maxBodyBytes) response.destroy(new Error(`the response is longer than ${maxBodyBytes} bytes`));
      });
      response.on('error', reject);
      response.on('end', () => {
        const status = response.statusCode!;
        const answered = new Headers();
        for (const [name, values = []] of Object.entries(response.headersDistinct))
          for (const value of values) answered.append(name, value);
        resolve(new Response(withoutBody.has(status) ? null : Buffer.concat(parts), { status, headers: answered }));
      });
    });
    sent.on('error', reject).end(body);
    return promise;
  };
}
