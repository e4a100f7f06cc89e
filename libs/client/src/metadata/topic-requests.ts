import type { RequestPayload } from '@flotilla/contracts';

export interface TopicRequestsHost {
  request(
    type: 'metadata.subscribe' | 'metadata.unsubscribe',
    payload: RequestPayload<'metadata.subscribe'>,
  ): Promise<unknown>;
  /** The topics that the application subscribes to now, `*` among them. */
  topics(): readonly string[];
}

/** Subscribes to topics of one relay. Requests are sent one after the other, so that the relay applies them in this order. */
export class TopicRequests {
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly relayId: string,
    private readonly host: TopicRequestsHost,
  ) {}

  /** @throws FlotillaError with the server's reason. */
  subscribe(topics: readonly string[]): Promise<void> {
    return this.#inOrder(() => this.#subscribe(topics));
  }

  /** Subscribes to every topic of the application, such as over a new link. */
  subscribeToAll(): Promise<void> {
    return this.#inOrder(() => this.#subscribe(this.host.topics()));
  }

  /** Ends the subscription to a topic, unless the application subscribes to it when the request is due. */
  unsubscribe(topic: string): Promise<void> {
    return this.#inOrder(async () => {
      if (this.host.topics().includes(topic)) return;
      const { relayId } = this;
      await this.host.request('metadata.unsubscribe', { relayId, topics: topic === '*' ? '*' : [topic] });
      // `*` ends the subscriptions to single topics as well.
      if (topic === '*') await this.#subscribe(this.host.topics());
    });
  }

  async #subscribe(topics: readonly string[]): Promise<void> {
    const { relayId } = this;
    const named = topics.filter((topic) => topic !== '*');
    if (named.length < topics.length) await this.host.request('metadata.subscribe', { relayId, topics: '*' });
    if (named.length > 0) await this.host.request('metadata.subscribe', { relayId, topics: named });
  }

  #inOrder(send: () => Promise<void>): Promise<void> {
    const sent = this.#last.then(send);
    this.#last = sent.catch(() => undefined);
    return sent;
  }
}
