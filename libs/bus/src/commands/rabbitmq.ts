import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage, Message } from 'amqplib';
import type { Logger } from '@flotilla/runtime';
import type { RabbitMqAddress } from './rabbitmq-address.ts';
import { RabbitMqLink } from './rabbitmq-link.ts';
import { unavailable } from './rabbitmq-problem.ts';
import {
  type CommandTransport,
  type MessageHandler,
  type QueueKind,
  type ServeOptions,
  type Serving,
  TransportError,
} from './transport.ts';

export interface RabbitMqOptions extends RabbitMqAddress {
  /** Name prefix of every exchange and queue. */
  readonly namespace: string;
  readonly log: Logger;
}

/** Direct reply-to (https://www.rabbitmq.com/docs/direct-reply-to): replies without a queue per caller. */
const directReplyTo = 'amq.rabbitmq.reply-to';
const maxPending = 20_000;
const maxQueueLength = 10_000;
/** Number of redeliveries after which a message of a shared queue is dead-lettered: it probably crashes its handlers. */
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
  readonly prefetch: number;
  readonly inFlight: Set<Promise<void>>;
  channel?: Channel;
  consumerTag?: string;
  closed: boolean;
}

/**
 * Commands over RabbitMQ: one direct exchange, a quorum queue per service, an exclusive queue per node, publisher confirms,
 * `mandatory`, and the caller's deadline as expiration. Two connections, because a broker with a memory alarm stops reading from
 * connections that publish.
 *
 * A command is lost when it is not consumed within its deadline, or when it is in an exclusive queue whose node disconnects. A
 * confirmed command in a shared queue survives a restart of the broker; its caller still gets `down`.
 */
export class RabbitMqCommandTransport implements CommandTransport {
  readonly #options: RabbitMqOptions;
  readonly #exchange: string;
  readonly #deadExchange: string;
  readonly #pending = new Map<string, Pending>();
  readonly #served = new Set<Served>();
  #callLink!: RabbitMqLink;
  #serveLink!: RabbitMqLink;
  #calls: ConfirmChannel | undefined;
  /** The connection of the consumers, while it is up. */
  #serveModel: ChannelModel | undefined;
  #closing = false;

  private constructor(options: RabbitMqOptions) {
    this.#options = options;
    this.#exchange = `${options.namespace}.commands`;
    this.#deadExchange = `${options.namespace}.dead`;
  }

  /** Connects, and reconnects until `close`. Resolves and throws as `RabbitMqLink.connect`. */
  static async connect(options: RabbitMqOptions): Promise<RabbitMqCommandTransport> {
    const transport = new RabbitMqCommandTransport(options);
    const { log } = options;
    transport.#callLink = await RabbitMqLink.connect({
      address: options,
      name: 'calls',
      log,
      setUp: (model) => transport.#setUpCalls(model),
      onDown: (error) => transport.#callsDown(error),
    });
    const serves = RabbitMqLink.connect({
      address: options,
      name: 'serves',
      log,
      setUp: async (model) => {
        for (const served of transport.#served) await transport.#setUpServed(served, model);
        transport.#serveModel = model;
      },
      onDown: () => (transport.#serveModel = undefined),
    });
    serves.catch(() => transport.#callLink.close());
    transport.#serveLink = await serves;
    return transport;
  }

  async #setUpCalls(model: ChannelModel): Promise<void> {
    const channel = await model.createConfirmChannel();
    await channel.assertExchange(this.#exchange, 'direct', { durable: true });
    // A failed channel or a cancelled consumer is recovered with a new connection.
    const reconnect = (cause: Error): void => {
      if (this.#calls !== channel || this.#closing) return;
      this.#callsDown(cause);
      this.#options.log.warn({ err: cause }, 'RabbitMQ channel failed, reconnecting');
      model.close().catch(() => undefined);
    };
    channel.on('error', reconnect);
    channel.on('close', () => reconnect(new Error('the channel was closed')));
    // An unroutable message is returned before its confirm.
    channel.on('return', (message: Message) => {
      const id = String(message.properties.correlationId);
      this.#settle(id, new TransportError('unroutable', `queue ${message.fields.routingKey} has no consumer`));
    });
    await channel.consume(
      directReplyTo,
      (message) => {
        if (message) this.#settle(String(message.properties.correlationId), message.content.toString());
        else reconnect(new Error('the reply consumer was cancelled'));
      },
      { noAck: true },
    );
    this.#calls = channel;
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
    if (!channel || problem) return Promise.reject(new TransportError('down', problem ?? unavailable));
    if (this.#pending.size >= maxPending) {
      return Promise.reject(new TransportError('overloaded', `${maxPending} commands are pending`));
    }
    // Two calls may have the same command id, so it does not identify the reply.
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
          if (error) this.#settle(id, new TransportError('overloaded', `queue ${queue} is full`));
        },
      );
    });
  }
  #sequence = 0;

  async serve(
    queue: string,
    kind: QueueKind,
    handler: MessageHandler,
    { prefetch = 64 }: ServeOptions = {},
  ): Promise<Serving> {
    const served: Served = { queue, kind, handler, prefetch, inFlight: new Set(), closed: false };
    this.#served.add(served);
    if (this.#serveModel) await this.#setUpServed(served, this.#serveModel);
    return {
      close: async () => {
        served.closed = true;
        this.#served.delete(served);
        if (served.channel && served.consumerTag)
          await served.channel.cancel(served.consumerTag).catch(() => undefined);
        await Promise.allSettled(served.inFlight);
        await served.channel?.close().catch(() => undefined);
      },
    };
  }

  async #setUpServed(served: Served, model: ChannelModel): Promise<void> {
    const { namespace, log } = this.#options;
    const name = `${namespace}.${served.queue}`;
    const channel = await model.createChannel();
    // A failed channel or a cancelled consumer is recovered with a new connection.
    const reconnect = (cause: unknown): void => {
      if (served.closed || this.#closing) return;
      log.warn({ err: cause, queue: name }, 'RabbitMQ consumer failed, reconnecting');
      model.close().catch(() => undefined);
    };
    channel.on('error', reconnect);
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
    await channel.prefetch(served.prefetch);
    served.channel = channel;
    const { consumerTag } = await channel.consume(name, (message) => {
      if (!message) return reconnect(new Error('the consumer was cancelled'));
      const work: Promise<void> = this.#work(served, channel, message).finally(() => served.inFlight.delete(work));
      served.inFlight.add(work);
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
    // If the channel has closed meanwhile, the message is redelivered and answered by RecentAnswers.
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
      this.#options.log.warn({ err: error, queue: served.queue }, 'reply not sent');
    }
  }

  problem(): string | undefined {
    const problem = this.#callLink.problem() ?? this.#serveLink.problem();
    // A channel can close while its connection is up.
    return problem ?? (this.#calls && this.#serveModel ? undefined : unavailable);
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#callsDown(new Error('closing'));
    this.#serveModel = undefined;
    await Promise.allSettled([this.#callLink.close(), this.#serveLink.close()]);
  }
}
