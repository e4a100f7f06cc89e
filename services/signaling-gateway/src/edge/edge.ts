import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { GatewayConfig } from '../config.ts';
import { type ClientConnection, clientConnection, type Trust, trustOf } from './client-connection.ts';
import { relayedOver } from './first-bytes.ts';
import { handshakeProblem, type Refusal, tlsRequired } from './upgrade-check.ts';

export type EdgeSettings = Pick<GatewayConfig, 'FLOTILLA_TRUSTED_PROXIES' | 'FLOTILLA_ALLOW_PLAIN'>;

/** How requests come in: from whom, and whether anybody could read along. */
export class Edge {
  readonly trusts: Trust;
  readonly #allowPlain: boolean;

  constructor({ FLOTILLA_TRUSTED_PROXIES, FLOTILLA_ALLOW_PLAIN }: EdgeSettings) {
    this.trusts = trustOf(FLOTILLA_TRUSTED_PROXIES);
    this.#allowPlain = FLOTILLA_ALLOW_PLAIN;
  }

  /** The client behind a request. Ask before the first `await`: the address of a socket is gone once it has closed. */
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

  /** Credentials travel in requests to the gateway: over plain HTTP only from this machine, or where that is allowed. */
  plainProblem(request: IncomingMessage): Refusal | undefined {
    return this.#allowPlain || this.clientOf(request).secure ? undefined : tlsRequired();
  }

  /** Why a request on the path of the endpoint can't become a WebSocket. */
  upgradeProblem(request: IncomingMessage): Refusal | undefined {
    return this.plainProblem(request) ?? handshakeProblem(request);
  }
}
