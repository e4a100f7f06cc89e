/** The names of exchanges and queues. A queue is named `<service>` or `<service>.<instance>`. */
export interface RabbitMqNames {
  /** Direct: leads commands to the queues of a service. One for each, so that permissions say which services a user may command. */
  readonly commandsTo: (queue: string) => string;
  readonly queue: (queue: string) => string;
  /** Direct: leads answers to the queues of callers. Not the default exchange, whose users may write to every queue. */
  readonly replies: string;
  /** The exclusive queue of a caller. */
  readonly replyQueue: (id: string) => string;
  /** Fanout, to the queue `deadLetters`. */
  readonly dead: string;
  readonly deadLetters: string;
}

const serviceOf = (queue: string): string => queue.split('.', 1)[0]!;

export function rabbitMqNames(namespace: string): RabbitMqNames {
  return {
    commandsTo: (queue) => `${namespace}.commands.${serviceOf(queue)}`,
    queue: (queue) => `${namespace}.${queue}`,
    replies: `${namespace}.replies`,
    replyQueue: (id) => `${namespace}.replies.${id}`,
    dead: `${namespace}.dead`,
    deadLetters: `${namespace}.dead-letters`,
  };
}

/** What a service does with commands: the first words of queues. */
export interface CommandUse {
  readonly serves?: string;
  readonly calls?: readonly string[];
}

/** Regular expressions of the names that a user may declare and delete, write to and bind, and read and bind to. */
export interface RabbitMqPermissions {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

/**
 * What a user needs for such a use, when the exchanges and the queue of dead letters exist: a queue is bound by who may write to it and
 * read the exchange, and declared with an exchange for dead letters by who may read the queue and write to the exchange.
 */
export function rabbitMqPermissions(namespace: string, { serves, calls = [] }: CommandUse): RabbitMqPermissions {
  const names = rabbitMqNames(namespace);
  // Every service has a queue for answers, which is exclusive to its connection.
  const answers = `${escaped(names.replies)}\\..+`;
  const configure = [answers];
  const write = [answers, ...calls.map((called) => escaped(names.commandsTo(called)))];
  const read = [answers, escaped(names.replies)];
  if (serves !== undefined) {
    const own = `${escaped(names.queue(serves))}(\\..+)?`;
    configure.push(own);
    write.push(own, escaped(names.replies), escaped(names.dead));
    read.push(own, escaped(names.commandsTo(serves)));
  }
  return { configure: anyOf(configure), write: anyOf(write), read: anyOf(read) };
}

const escaped = (name: string): string => name.replaceAll('.', '\\.');
const anyOf = (patterns: readonly string[]): string => `^(${patterns.join('|')})$`;

/** Arguments of the queue of dead letters. */
export const deadLetterArguments = {
  'x-queue-type': 'quorum',
  'x-max-length': 10_000,
  'x-message-ttl': 7 * 24 * 3600 * 1000,
} as const;

/** What services declare when it does not exist, in the form of RabbitMQ's definitions. `served`: the first words of all queues. */
export function rabbitMqObjects(namespace: string, vhost: string, served: readonly string[]) {
  const { commandsTo, replies, dead, deadLetters } = rabbitMqNames(namespace);
  const lasting = { vhost, durable: true, auto_delete: false, arguments: {} };
  const exchange = (name: string, type: 'direct' | 'fanout') => ({ ...lasting, name, type, internal: false });
  return {
    exchanges: [...served.map(commandsTo), replies]
      .map((name) => exchange(name, 'direct'))
      .concat(exchange(dead, 'fanout')),
    queues: [{ ...lasting, name: deadLetters, arguments: deadLetterArguments }],
    bindings: [
      {
        source: dead,
        vhost,
        destination: deadLetters,
        destination_type: 'queue',
        routing_key: '',
        arguments: {},
      },
    ],
  };
}
