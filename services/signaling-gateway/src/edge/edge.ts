import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { type ClientConnection, clientConnection, type Trust, trustOf } from '@flotilla/runtime';
import { relayedOver } from './first-bytes.ts';
import { handshakeProblem, type Refusal, tlsRequired } from './upgrade-check.ts';

export interface EdgeSettings {
  /** Addresses or CIDR ranges of proxies whose PROXY and X-Forwarded-* headers count. */
  readonly trustedProxies: readonly string[];
  /** Serve clients that did not connect over TLS. */
  readonly allowPlain: boolean;
}

/** Determines the client behind a request, and whether the connection is encrypted. */
export class Edge {
  readonly trusts: Trust;
  readonly #allowPlain: boolean;

  constructor({ trustedProxies, allowPlain }: EdgeSettings) {
    this.trusts = trustOf(trustedProxies);
    this.#allowPlain = allowPlain;
  }

  /** The client behind a request. Call it before the first `await`: a closed socket has no address. */
  readonly clientOf = ({ socket, headers }: IncomingMessage): ClientConnection =>
    clientConnection(
      {
        peer: socket.remoteAddress ?? '',
        encrypted: (socket as Partial<TLSSocket>).encrypted === true,
        headers,
        relayed: relayedOver(socket),
      },
      this.trusts,
    );

  /** Requests carry credentials: plain HTTP is refused, except from this machine or with `allowPlain`. */
  plainProblem(request: IncomingMessage): Refusal | undefined {
    return this.#allowPlain || this.clientOf(request).secure ? undefined : tlsRequired();
  }

  /** The reason why a request on the path of the endpoint can't be upgraded to a WebSocket. */
  upgradeProblem(request: IncomingMessage): Refusal | undefined {
    return this.plainProblem(request) ?? handshakeProblem(request);
  }
}
