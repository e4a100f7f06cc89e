/**
 * The port below the command bus: delivers an opaque message to a queue and returns one answer. Adapters: rabbitmq.ts, memory.ts.
 * Serialisation and idempotency are the command bus's.
 */
export interface CommandTransport {
  /**
   * Sends a message and waits for its answer.
   *
   * @param options `id`: the command id. `signal`: ends the wait at the caller's deadline. `ttlMs`: time until that deadline, after
   * which the broker drops the message. `headers`: passed to the handler beside the message.
   * @throws TransportError `unroutable` when the queue has no consumer, `down` when the broker is unavailable or disconnects while
   * the call is pending, `overloaded` when a bound was reached.
   */
  request(queue: string, message: string, options: RequestOptions): Promise<string>;

  /**
   * Consumes a queue. A `shared` queue outlives its consumers and distributes messages among them; an `exclusive` queue has one
   * consumer and is deleted with it. The handler never throws: its answer carries the error. A message whose outcome has a
   * `deadLetter` goes to the dead letters.
   */
  serve(queue: string, kind: QueueKind, handler: MessageHandler, options?: ServeOptions): Promise<Serving>;

  /** Why messages cannot be sent; undefined when they can. */
  problem(): string | undefined;

  /** Closes all connections and rejects pending requests. */
  close(): Promise<void>;
}

export interface RequestOptions {
  readonly id: string;
  readonly ttlMs: number;
  readonly signal: AbortSignal;
  readonly headers?: MessageHeaders;
}

export type MessageHeaders = Readonly<Record<string, string>>;

export type QueueKind = 'shared' | 'exclusive';

export interface ServeOptions {
  /** Number of messages that are passed to the handler before it has answered earlier ones. Default 64. */
  readonly prefetch?: number;
}

/** Result of handling a message. */
export interface Outcome {
  /** Absent when the caller has timed out. */
  readonly answer?: string;
  /** Why the message is dead-lettered. */
  readonly deadLetter?: string;
}

export type MessageHandler = (message: string, headers: MessageHeaders) => Promise<Outcome>;

/** A consumer of a queue. */
export interface Serving {
  /** Number of messages in the queue that no consumer was given yet. Rejects while the broker is unavailable. */
  waiting(): Promise<number>;

  /** Stops consuming and waits for messages in progress. */
  close(): Promise<void>;
}

/** A message could not be delivered, or its answer not received. */
export class TransportError extends Error {
  override readonly name = 'TransportError';

  constructor(
    readonly kind: 'unroutable' | 'down' | 'overloaded',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
