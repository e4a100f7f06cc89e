import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

export const now = () => Math.floor(Date.now() / 1000);

/** Claims of a token that is accepted. */
export const goodClaims = () => ({
  iss: 'flotilla',
  aud: 'flotilla',
  sub: 'ada',
  jti: 'jti-12345',
  iat: now(),
  nbf: now(),
  exp: now() + 60,
  room: 'a',
  grants: ['publish'],
});

/** An external token issuer, which publishes its public keys over HTTP on loopback and counts the requests. */
export class Issuer {
  readonly #keys = new Map<string, { alg: string; privateKey: CryptoKey }>();
  readonly #server: Server;
  #port = 0;
  /** What it publishes. Changed by a test to be what no issuer should publish. */
  published: JWK[] = [];
  fetches = 0;
  /** How it answers: as it should, not at all, or with this status and body. */
  answer: 'keys' | 'nothing' | { status: number; body: string } = 'keys';

  constructor() {
    this.#server = createServer((_request, response) => {
      this.fetches++;
      if (this.answer === 'nothing') return;
      const { status, body } =
        this.answer === 'keys' ? { status: 200, body: JSON.stringify({ keys: this.published }) } : this.answer;
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' }).end(body);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/jwks.json`;
  }

  /** Begins to answer, on the port it had before. */
  async start(): Promise<this> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Creates a key pair and publishes its public key. Returns the public key. */
  async addKey(kid: string, alg: string): Promise<JWK> {
    const { privateKey, publicKey } = await generateKeyPair(alg);
    this.#keys.set(kid, { alg, privateKey });
    const jwk = { ...(await exportJWK(publicKey)), kid, use: 'sig' };
    this.published.push(jwk);
    return jwk;
  }

  withdraw(kid: string): void {
    this.published = this.published.filter((key) => key.kid !== kid);
  }

  /** Signs with the key of that id, whether it is published or not; `header` is put over the header it would have. */
  sign(kid: string, claims: Record<string, unknown> = goodClaims(), header: object = {}): Promise<string> {
    const { alg, privateKey } = this.#keys.get(kid)!;
    return new SignJWT(claims).setProtectedHeader({ alg, kid, typ: 'JWT', ...header }).sign(privateKey);
  }
}
