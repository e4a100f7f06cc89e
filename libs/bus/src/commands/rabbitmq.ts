import {
  type Channel,
  type ChannelModel,
  type ConfirmChannel,
  connect,
  type ConsumeMessage,
  type Message,
  type RecoveringChannelModel,
} from 'amqplib';
import type { Logger } from '@flotilla/runtime';
import {
  type CommandTransport,
  type MessageHandler,
  type QueueKind,
  type Serving,
  TransportError,
} from './transport.ts';

export interface RabbitMqOptions {
  readonly url: string;
  /** Prefix of every exchange and queue. */
  readonly namespace: string;
  readonly log: Logger;
  /** Commands a server works on at a time. Default 64. */
  readonly prefetch?: number;
}

/** RabbitMQ's pseudo-queue for answers (https://www.rabbitmq.com/docs/direct-reply-to): no queue per caller, no round trip. */
const directReplyTo = 'amq.rabbitmq.reply-to';
const maxPending = 20_000;
const maxQueueLength = 10_000;
/** A shared queue's message that was redelivered this often kills its handlers: it goes to the dead letters. */
const deliveryLimit = 5;
const deadLetterTtlMs = 7 * 24 * 3600 * 1000;

interface Pending {
  resolve(answer: string): void;
  reject(error: TransportError): void;
}

interface Served {
  readonly queue: string;
  readonly kind: QueueKind;
  readonly handler: MessageHandler;
  readonly underWay: Set<Promise<void>>;
  channel?: Channel;
  consumerTag?: string;
  closed: boolean;
}

/**
 * Commands over RabbitMQ. One direct exchange; a quorum queue for what several processes share, an exclusive queue for a
 * node's own; publisher confirms, `mandatory`, and the caller's deadline as expiry. Two connections, because a broker that
 * is short of memory stops reading from those that publish.
 *
 * Lost when: a command nobody fetched within its deadline expires; an exclusive queue dies with its node, together with
 * what waited in it. A confirmed command in the shared queue survives a broker's restart, and the caller's link is told
 * `down` either way.
 */
export class RabbitMqCommandTransport implements CommandTransport {
  readonly #options: RabbitMqOptions;
  readonly #exchange: string;
  readonly #deadExchange: string;
  readonly #pending = new Map<string, Pending>();
  readonly #served = new Set<Served>();
  #callLink!: RecoveringChannelModel;
  #serveLink!: RecoveringChannelModel;
  #calls: ConfirmChannel | undefined;
  /** The connection that serves, while it is up. */
  #serveModel: ChannelModel | undefined;
  #blocked: string | undefined;
  #closing = false;

  private constructor(options: RabbitMqOptions) {
    this.#options = options;
    this.#exchange = `${options.namespace}.commands`;
    this.#deadExchange = `${options.namespace}.dead`;
  }

  /** Connects, and keeps connecting for as long as it lives. Waits for the first connection. */
  static async connect(options: RabbitMqOptions): Promise<RabbitMqCommandTransport> {
    const transport = new RabbitMqCommandTransport(options);
    transport.#callLink = await transport.#link('calls', (model) => transport.#setUpCalls(model));
    transport.#serveLink = await transport.#link('serves', async (model) => {
      for (const served of transport.#served) await transport.#setUpServed(served, model);
      transport.#serveModel = model;
    });
    return transport;
  }

  async #link(name: string, setup: (model: ChannelModel) => Promise<void>): Promise<RecoveringChannelModel> {
    const { url, log } = this.#options;
    const link = await connect(url, {
      timeout: 5000,
      clientProperties: { connection_name: `flotilla ${name} ${process.pid}` },
      recovery: {
        initialDelay: 100,
        maxDelay: 2000,
        jitter: 0.3,
        waitForConnect: false,
        setup: (model: ChannelModel) => setup(model),
      },
    });
    link.on('disconnect', (error) => {
      if (this.#closing) return;
      if (name === 'calls') this.#callsDown(error);
      else this.#serveModel = undefined;
      log.warn({ err: error, link: name }, 'RabbitMQ disconnected, reconnecting');
    });
    link.on('connect-failed', (error) => log.debug({ err: error, link: name }, 'RabbitMQ is out of reach'));
    link.on('connect', () => log.debug({ link: name }, 'RabbitMQ connected'));
    link.on('error', (error) => log.warn({ err: error, link: name }, 'RabbitMQ connection error'));
    link.on('blocked', (reason) => (this.#blocked = reason));
    link.on('unblocked', () => (this.#blocked = undefined));
    return link.waitForConnect();
  }

  async #setUpCalls(model: ChannelModel): Promise<void> {
    const channel = await model.createConfirmChannel();
    await channel.assertExchange(this.#exchange, 'direct', { durable: true });
    channel.on('error', (error: Error) => this.#options.log.warn({ err: error }, 'RabbitMQ channel error'));
    channel.on('close', () => this.#callsDown(new Error('the channel was closed')));
    // A message nobody is bound for comes back before its confirm.
    channel.on('return', (message: Message) => {
      const id = String(message.properties.correlationId);
      this.#settle(id, new TransportError('unroutable', `nobody serves ${message.fields.routingKey}`));
    });
    await channel.consume(
      directReplyTo,
      (message) => {
        if (message) this.#settle(String(message.properties.correlationId), message.content.toString());
        else this.#callsDown(new Error('the reply consumer was cancelled'));
      },
      { noAck: true },
    );
    this.#calls = channel;
    this.#blocked = undefined;
  }

  #settle(id: string, result: string | TransportError): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    if (typeof result === 'string') pending.resolve(result);
    else pending.reject(result);
  }

  #callsDown(cause: Error): void {
    this.#calls = undefined;
    for (const id of [...this.#pending.keys()]) {
      this.#settle(id, new TransportError('down', 'RabbitMQ disconnected while the answer was awaited', { cause }));
    }
  }

  request(
    queue: string,
    message: string,
    options: { id: string; ttlMs: number; signal: AbortSignal },
  ): Promise<string> {
    const channel = this.#calls;
    const problem = this.problem();
    if (!channel || problem) return Promise.reject(new TransportError('down', problem ?? 'RabbitMQ is out of reach'));
    if (this.#pending.size >= maxPending) {
      return Promise.reject(new TransportError('overloaded', `${maxPending} commands await their answer`));
    }
    // Two calls may carry one command id; the answer must find its own.
    const id = `${options.id}/${(this.#sequence = (this.#sequence + 1) % Number.MAX_SAFE_INTEGER)}`;
    return new Promise<string>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      options.signal.addEventListener('abort', () => this.#settle(id, new TransportError('down', 'deadline')), {
        once: true,
      });
      channel.publish(
        this.#exchange,
        queue,
        Buffer.from(message),
        {
          mandatory: true,
          persistent: true,
          contentType: 'application/json',
          correlationId: id,
          messageId: options.id,
          replyTo: directReplyTo,
          expiration: String(options.ttlMs),
        },
        (error) => {
          if (error) this.#settle(id, new TransportError('overloaded', `${queue} takes no more commands`));
        },
      );
    });
  }
  #sequence = 0;

  async serve(queue: string, kind: QueueKind, handler: MessageHandler): Promise<Serving> {
    const served: Served = { queue, kind, handler, underWay: new Set(), closed: false };
    this.#served.add(served);
    if (this.#serveModel) await this.#setUpServed(served, this.#serveModel);
    return {
      close: async () => {
        served.closed = true;
        this.#served.delete(served);
        if (served.channel && served.consumerTag)
          await served.channel.cancel(served.consumerTag).catch(() => undefined);
        await Promise.allSettled(served.underWay);
        await served.channel?.close().catch(() => undefined);
      },
    };
  }

  async #setUpServed(served: Served, model: ChannelModel): Promise<void> {
    const { prefetch = 64, namespace, log } = this.#options;
    const name = `${namespace}.${served.queue}`;
    const channel = await model.createChannel();
    // A channel that broke, or a consumer the broker cancelled: begin again with a new connection.
    const beginAgain = (why: unknown): void => {
      if (served.closed || this.#closing) return;
      log.warn({ err: why, queue: name }, 'RabbitMQ stopped serving, reconnecting');
      model.close().catch(() => undefined);
    };
    channel.on('error', beginAgain);
    await channel.assertExchange(this.#exchange, 'direct', { durable: true });
    await this.#assertDeadLetters(channel);
    const bounds = {
      'x-max-length': maxQueueLength,
      'x-overflow': 'reject-publish',
      'x-dead-letter-exchange': this.#deadExchange,
    };
    await channel.assertQueue(
      name,
      served.kind === 'shared'
        ? { durable: true, arguments: { ...bounds, 'x-queue-type': 'quorum', 'x-delivery-limit': deliveryLimit } }
        : { exclusive: true, autoDelete: true, arguments: bounds },
    );
    await channel.bindQueue(name, this.#exchange, served.queue);
    await channel.prefetch(prefetch);
    served.channel = channel;
    const { consumerTag } = await channel.consume(name, (message) => {
      if (!message) return beginAgain(new Error('the consumer was cancelled'));
      const work: Promise<void> = this.#work(served, channel, message).finally(() => served.underWay.delete(work));
      served.underWay.add(work);
    });
    served.consumerTag = consumerTag;
  }

  async #assertDeadLetters(channel: Channel): Promise<void> {
    await channel.assertExchange(this.#deadExchange, 'fanout', { durable: true });
    const name = `${this.#options.namespace}.dead-letters`;
    await channel.assertQueue(name, {
      durable: true,
      arguments: { 'x-queue-type': 'quorum', 'x-max-length': maxQueueLength, 'x-message-ttl': deadLetterTtlMs },
    });
    await channel.bindQueue(name, this.#deadExchange, '');
  }

  async #work(served: Served, channel: Channel, message: ConsumeMessage): Promise<void> {
    const { answer, deadLetter } = await served.handler(message.content.toString());
    const { replyTo, correlationId, messageId } = message.properties as {
      replyTo?: string;
      correlationId?: string;
      messageId?: string;
    };
    // The channel may have closed meanwhile: the message is then delivered again, and answered from memory.
    try {
      if (deadLetter !== undefined) {
        channel.publish(this.#deadExchange, '', message.content, {
          persistent: true,
          contentType: 'application/json',
          ...(messageId === undefined ? {} : { messageId }),
          headers: { 'x-flotilla-reason': deadLetter, 'x-flotilla-queue': served.queue },
        });
      }
      if (answer !== undefined && replyTo) {
        channel.publish('', replyTo, Buffer.from(answer), {
          contentType: 'application/json',
          correlationId: correlationId ?? '',
        });
      }
      channel.ack(message);
    } catch (error) {
      this.#options.log.warn({ err: error, queue: served.queue }, 'an answer could not be sent');
    }
  }

  problem(): string | undefined {
    if (this.#blocked) return `RabbitMQ takes no messages: ${this.#blocked}`;
    return this.#calls && this.#serveModel ? undefined : 'RabbitMQ is out of reach';
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#callsDown(new Error('closing'));
    this.#serveModel = undefined;
    await Promise.allSettled([this.#callLink.close(), this.#serveLink.close()]);
  }
}
