import type { SignalSessionHandlers } from '@flotilla/client/signal';
import {
  FlotillaError,
  read,
  type ReplyPayload,
  type RequestPayload,
  type RequestType,
  signalRequests,
} from '@flotilla/contracts';
import type { PeerSession } from '@flotilla/edge-peer';
import { RawClient } from '@flotilla/testkit/signal';

/** A session over one plain WebSocket: a lost connection ends it. */
export class RawSession implements PeerSession {
  #closed = false;

  private constructor(
    private readonly client: RawClient,
    readonly welcome: PeerSession['welcome'],
  ) {}

  static async open(url: string, token: string, handlers: SignalSessionHandlers): Promise<RawSession> {
    const client = await RawClient.connect(url, { token });
    try {
      const session = new RawSession(client, await client.welcome());
      client.onEvent = (event) => {
        // RawClient keeps all events; light peers are too long-lived for that.
        client.events.length = 0;
        handlers.onEvent(event);
      };
      for (const event of client.events.splice(0)) handlers.onEvent(event);
      void client.closed.then(
        ({ code }) =>
          session.#closed ||
          handlers.onEnded(new FlotillaError('SESSION_EXPIRED', `the connection closed with ${code}`)),
      );
      return session;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  async request<T extends RequestType>(type: T, payload: RequestPayload<T>, to?: string): Promise<ReplyPayload<T>> {
    const reply = await this.client.request(type, payload, to);
    // RawClient keeps all replies, too.
    this.client.replies.splice(this.client.replies.indexOf(reply), 1);
    const { ok, payload: answer, error } = reply;
    if (!ok) throw new FlotillaError(error!.code, `${type}: ${error!.message}`);
    return read(signalRequests[type].reply, answer) as ReplyPayload<T>;
  }

  setOffset(): void {
    // Nothing is resumed.
  }

  close(): void {
    this.#closed = true;
    this.client.close();
  }
}
