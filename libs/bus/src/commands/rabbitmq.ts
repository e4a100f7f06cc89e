import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage, Message } from 'amqplib';
import type { Logger } from '@flotilla/runtime';
import type { RabbitMqAddress } from './rabbitmq-address.ts';
import { RabbitMqLink } from './rabbitmq-link.ts';
import { declareMissing } from './rabbitmq-declare.ts';
import { deadLetterArguments, type RabbitMqNames, rabbitMqNames } from './rabbitmq-names.ts';
import { rabbitMqProblemOf, rabbitMqRefusalOf, unavailable } from './rabbitmq-problem.ts';
import {
  type CommandTransport,
  type MessageHandler,
  type MessageHeaders,
  type QueueKind,
  type RequestOptions,
  type ServeOptions,
  type Serving,
  TransportError,
} from './transport.ts';

export interface RabbitMqOptions extends RabbitMqAddress {
  /** Name prefix of every exchange and queue. */
  readonly namespace: string;
  readonly log: Logger;
}

const maxPending = 20_000;
const maxQueueLength = 10_000;
/** Number of redeliveries after which a message of a shared queue is dead-lettered: it probably crashes its handlers. */
const deliveryLimit = 5;

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

/** Where commands are published, while its connection is up. */
interface Calls {
  readonly model: ChannelModel;
  readonly channel: ConfirmChannel;
  readonly replyTo: string;
  /** The exchanges that commands were published to; settled when they exist. */
  readonly exchanges: Map<string, Promise<void>>;
}

/**
 * Commands over RabbitMQ: a direct exchange per service, a quorum queue per service or an exclusive queue per node, an exclusive queue
 * for the answers to each caller, publisher confirms, `mandatory`, and the caller's deadline as expiration. Two connections, because a
 * broker with a memory alarm stops reading from connections that publish.
 *
 * A command is lost when it is not consumed within its deadline, or when it is in an exclusive queue whose node disconnects. A
 * confirmed command in a shared queue survives a restart of the broker; its caller still gets `down`.
 */
export class RabbitMqCommandTransport implements CommandTransport {
  readonly #options: RabbitMqOptions;
  readonly #names: RabbitMqNames;
  readonly #pending = new Map<string, Pending>();
  readonly #served = new Set<Served>();
  #callLink!: RabbitMqLink;
  #serveLink!: RabbitMqLink;
  #calls: Calls | undefined;
  /** The connection of the consumers, while it is up. */
  #serveModel: ChannelModel | undefined;
  #closing = false;

  private constructor(options: RabbitMqOptions) {
    this.#options = options;
    this.#names = rabbitMqNames(options.namespace);
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
    const { replies, replyQueue } = this.#names;
    const channel = await model.createConfirmChannel();
    await this.#declareDirect(model, replies);
    // A failed channel or a cancelled consumer is recovered with a new connection.
    const reconnect = (cause: Error): void => {
      if (this.#calls?.channel !== channel || this.#closing) return;
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
    const replyTo = replyQueue(crypto.randomUUID());
    await channel.assertQueue(replyTo, { exclusive: true, autoDelete: true });
    await channel.bindQueue(replyTo, replies, replyTo);
    await channel.consume(
      replyTo,
      (message) => {
        if (message) this.#settle(String(message.properties.correlationId), message.content.toString());
        else reconnect(new Error('the reply consumer was cancelled'));
      },
      { noAck: true },
    );
    this.#calls = { model, channel, replyTo, exchanges: new Map() };
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
    const problem = rabbitMqRefusalOf(cause)
      ? rabbitMqProblemOf(cause)
      : 'RabbitMQ disconnected while the answer was awaited';
    for (const id of [...this.#pending.keys()]) this.#settle(id, new TransportError('down', problem, { cause }));
  }

  #declareDirect(model: ChannelModel, exchange: string): Promise<void> {
    return declareMissing(
      model,
      (channel) => channel.checkExchange(exchange),
      (channel) => channel.assertExchange(exchange, 'direct', { durable: true }),
    );
  }

  async request(queue: string, message: string, options: RequestOptions): Promise<string> {
    const exchange = this.#names.commandsTo(queue);
    const calls = this.#calls;
    // Also when it is known to exist, so that commands keep their order.
    if (calls) await withinDeadline(this.#exists(calls, exchange), options.signal);
    return this.#publish(calls, exchange, queue, message, options);
  }

  /** To publish to an exchange that does not exist would close the channel. */
  #exists({ model, exchanges }: Calls, exchange: string): Promise<void> {
    const known = exchanges.get(exchange);
    if (known) return known;
    const declared = this.#declareDirect(model, exchange).catch((error: unknown) => {
      exchanges.delete(exchange);
      throw new TransportError('down', rabbitMqProblemOf(error as Error), { cause: error });
    });
    exchanges.set(exchange, declared);
    return declared;
  }

  #publish(
    calls: Calls | undefined,
    exchange: string,
    queue: string,
    message: string,
    options: RequestOptions,
  ): Promise<string> {
    const problem = this.problem();
    // On another connection the exchange would have to be looked for again.
    if (!calls || calls !== this.#calls || problem)
      return Promise.reject(new TransportError('down', problem ?? unavailable));
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
      calls.channel.publish(
        exchange,
        queue,
        Buffer.from(message),
        {
          mandatory: true,
          persistent: true,
          contentType: 'application/json',
          correlationId: id,
          messageId: options.id,
          replyTo: calls.replyTo,
          expiration: String(options.ttlMs),
          headers: { ...options.headers },
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
      waiting: async () => {
        if (!served.channel) throw new TransportError('down', unavailable);
        return (await served.channel.checkQueue(this.#names.queue(queue))).messageCount;
      },
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
    const { log } = this.#options;
    const exchange = this.#names.commandsTo(served.queue);
    const name = this.#names.queue(served.queue);
    const channel = await model.createChannel();
    // A failed channel or a cancelled consumer is recovered with a new connection.
    const reconnect = (cause: unknown): void => {
      if (served.closed || this.#closing) return;
      log.warn({ err: cause, queue: name }, 'RabbitMQ consumer failed, reconnecting');
      model.close().catch(() => undefined);
    };
    channel.on('error', reconnect);
    await this.#declareDirect(model, exchange);
    await this.#declareDirect(model, this.#names.replies);
    await this.#declareDeadLetters(model);
    const bounds = {
      'x-max-length': maxQueueLength,
      'x-overflow': 'reject-publish',
      'x-dead-letter-exchange': this.#names.dead,
    };
    await channel.assertQueue(
      name,
      served.kind === 'shared'
        ? { durable: true, arguments: { ...bounds, 'x-queue-type': 'quorum', 'x-delivery-limit': deliveryLimit } }
        : { exclusive: true, autoDelete: true, arguments: bounds },
    );
    await channel.bindQueue(name, exchange, served.queue);
    await channel.prefetch(served.prefetch);
    served.channel = channel;
    const { consumerTag } = await channel.consume(name, (message) => {
      if (!message) return reconnect(new Error('the consumer was cancelled'));
      const work: Promise<void> = this.#work(served, channel, message).finally(() => served.inFlight.delete(work));
      served.inFlight.add(work);
    });
    served.consumerTag = consumerTag;
  }

  #declareDeadLetters(model: ChannelModel): Promise<void> {
    const { dead, deadLetters } = this.#names;
    return declareMissing(
      model,
      async (channel) => {
        await channel.checkQueue(deadLetters);
        await channel.checkExchange(dead);
      },
      // In this order: the exchange exists last, but for its binding.
      async (channel) => {
        await channel.assertQueue(deadLetters, { durable: true, arguments: { ...deadLetterArguments } });
        await channel.assertExchange(dead, 'fanout', { durable: true });
        await channel.bindQueue(deadLetters, dead, '');
      },
    );
  }

  async #work(served: Served, channel: Channel, message: ConsumeMessage): Promise<void> {
    const { answer, deadLetter } = await served.handler(message.content.toString(), textHeaders(message));
    const { replyTo, correlationId, messageId } = message.properties as {
      replyTo?: string;
      correlationId?: string;
      messageId?: string;
    };
    // If the channel has closed meanwhile, the message is redelivered and answered by RecentAnswers.
    try {
      if (deadLetter !== undefined) {
        channel.publish(this.#names.dead, '', message.content, {
          persistent: true,
          contentType: 'application/json',
          ...(messageId === undefined ? {} : { messageId }),
          headers: { ...textHeaders(message), 'x-flotilla-reason': deadLetter, 'x-flotilla-queue': served.queue },
        });
      }
      if (answer !== undefined && replyTo) {
        channel.publish(this.#names.replies, replyTo, Buffer.from(answer), {
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

/** The headers of a message that are texts. RabbitMQ adds others, such as `x-death`. */
const textHeaders = ({ properties }: Message): MessageHeaders =>
  Object.fromEntries(
    Object.entries((properties.headers ?? {}) as Record<string, unknown>).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );

/** Rejects when the caller has waited long enough. */
function withinDeadline(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new TransportError('down', 'deadline'));
    if (signal.aborted) return late();
    signal.addEventListener('abort', late, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', late));
  });
}
