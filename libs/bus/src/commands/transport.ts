/**
 * The port below the command bus: carries opaque messages to a queue and one answer back. Adapters: rabbitmq.ts, memory.ts.
 * What a message means, and that it is carried out once, is the command bus's business.
 */
export interface CommandTransport {
  /**
   * Sends a message and waits for its answer.
   *
   * @throws TransportError `unroutable` when nobody serves the queue, `down` when the broker is out of reach or the link
   * broke while waiting, `overloaded` when a bound was reached. There is no deadline here: the caller sets it, and tells
   * it as `ttlMs` so that a message nobody fetched in time is dropped.
   */
  request(queue: string, message: string, options: { id: string; ttlMs: number; signal: AbortSignal }): Promise<string>;

  /**
   * Serves a queue. `shared` queues outlive their servers and spread messages over them; an `own` queue lives and dies
   * with this one. The handler never throws: its answer says what went wrong. With `reject` the message goes to the
   * dead letters.
   */
  serve(queue: string, kind: QueueKind, handler: MessageHandler): Promise<Serving>;

  /** Undefined when commands can be sent, else why not. */
  problem(): string | undefined;

  close(): Promise<void>;
}

export type QueueKind = 'shared' | 'own';

export interface Outcome {
  /** Absent when there is nobody to answer. */
  readonly answer?: string;
  /** Why the message was given up for good. */
  readonly deadLetter?: string;
}

export type MessageHandler = (message: string) => Promise<Outcome>;

export interface Serving {
  /** Takes no more messages and waits for those under way. */
  close(): Promise<void>;
}

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
