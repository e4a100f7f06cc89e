import { FlotillaError } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import { type ChannelModel, connect, type Options, type RecoveringChannelModel } from 'amqplib';
import { type RabbitMqAddress, type RabbitMqNode, rabbitMqNodes } from './rabbitmq-address.ts';
import { isLastingProblem, rabbitMqProblemOf, unavailable } from './rabbitmq-problem.ts';

const connectTimeoutMs = 3000;

export interface RabbitMqLinkOptions {
  readonly address: RabbitMqAddress;
  /** Part of the name that RabbitMQ lists. */
  readonly name: string;
  readonly log: Logger;
  /** Runs on each connection before it counts as up. When it rejects, the next connection is tried. */
  readonly setUp: (model: ChannelModel) => Promise<void>;
  /** Called when an established connection is lost. */
  readonly onDown: (error: Error) => void;
}

/** A connection to RabbitMQ. After a loss or a failure the next of the nodes is connected to. */
export class RabbitMqLink {
  readonly #options: RabbitMqLinkOptions;
  #connection!: RecoveringChannelModel;
  #isUp = false;
  #wasUp = false;
  #isClosed = false;
  /** Why the last attempt failed. */
  #failure: string | undefined;
  #reported: string | undefined;
  #blocked: string | undefined;

  private constructor(options: RabbitMqLinkOptions) {
    this.#options = options;
  }

  /**
   * Resolves once connected, waiting for a RabbitMQ that is not up. Throws UNAVAILABLE with the reason when the first failure is one
   * that only a change of settings mends: of credentials, virtual host, permissions or certificates.
   */
  static async connect(options: RabbitMqLinkOptions): Promise<RabbitMqLink> {
    const link = new RabbitMqLink(options);
    await link.#connect();
    return link;
  }

  async #connect(): Promise<void> {
    const { address, name, setUp } = this.#options;
    const nodes = new NextNode(address);
    const connection = await connect(nodes.connect, {
      ...nodes.socket,
      timeout: connectTimeoutMs,
      noDelay: true,
      clientProperties: { connection_name: `flotilla ${name} ${process.pid}` },
      recovery: { initialDelay: 100, maxDelay: 2000, jitter: 0.3, waitForConnect: false, setup: setUp },
    });
    this.#connection = connection;
    let refused: Error | undefined;
    connection.on('connect-failed', (error) => {
      nodes.advance();
      this.#fail(error);
      if (this.#wasUp || !isLastingProblem(error)) return;
      refused = error;
      void connection.close();
    });
    connection.on('connect', () => this.#connected());
    connection.on('disconnect', (error) => {
      nodes.advance();
      this.#isUp = false;
      if (!this.#isClosed) this.#options.onDown(error);
      this.#fail(error);
    });
    connection.on('error', (error) => this.#fail(error));
    connection.on('blocked', (reason) => (this.#blocked = reason));
    connection.on('unblocked', () => (this.#blocked = undefined));
    try {
      await connection.waitForConnect();
    } catch (error) {
      throw new FlotillaError('UNAVAILABLE', this.problem() ?? unavailable, { cause: refused ?? error });
    }
  }

  #connected(): void {
    if (this.#reported) this.#options.log.info({ link: this.#options.name }, 'RabbitMQ is available again');
    this.#isUp = this.#wasUp = true;
    this.#failure = this.#reported = this.#blocked = undefined;
  }

  #fail(error: Error): void {
    this.#failure = rabbitMqProblemOf(error);
    if (this.#isClosed || this.#reported === this.#failure) return;
    this.#reported = this.#failure;
    this.#options.log.warn({ err: error, link: this.#options.name, problem: this.#failure }, 'RabbitMQ cannot be used');
  }

  /** Why this connection cannot be used, undefined when it can. */
  problem(): string | undefined {
    if (!this.#isUp) return this.#failure ?? unavailable;
    return this.#blocked === undefined ? undefined : `RabbitMQ blocks publishers: ${this.#blocked}`;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isUp = false;
    await this.#connection.close();
  }
}

/** Leads each attempt of amqplib, which reads these fields then, to a node. The first is random, so that a fleet uses all nodes. */
class NextNode {
  #nodes: readonly RabbitMqNode[];
  #index: number;

  constructor(private readonly address: RabbitMqAddress) {
    this.#nodes = rabbitMqNodes(address);
    this.#index = Math.floor(Math.random() * this.#nodes.length);
  }

  get #node(): RabbitMqNode {
    return this.#nodes[this.#index]!;
  }

  /** Its texts are read again with each attempt. */
  get socket(): RabbitMqNode['socket'] {
    return this.#node.socket;
  }

  get connect(): Options.Connect {
    const fields = Object.keys(this.#node.connect) as (keyof Options.Connect)[];
    const live = fields.map((field) => [field, { get: () => this.#node.connect[field], enumerable: true }] as const);
    return Object.defineProperties({}, Object.fromEntries(live));
  }

  /** After each attempt that failed, and each connection that was lost. */
  advance(): void {
    this.#nodes = rabbitMqNodes(this.address);
    this.#index = (this.#index + 1) % this.#nodes.length;
  }
}
