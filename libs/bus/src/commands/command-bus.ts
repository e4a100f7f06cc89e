import {
  type CommandPayload,
  type CommandReply,
  commands,
  type CommandType,
  ErrorBody,
  FlotillaError,
  firstIssue,
  isWellFormedJson,
  malformedText,
  type ParsedCommandPayload,
  read,
  safeRead,
} from '@flotilla/contracts';
import { CallGuard, type CallGuardOptions, type OutcomeOf, type Target } from '@flotilla/resilience';
import {
  counter,
  histogram,
  inSpan,
  injectTrace,
  latencyBuckets,
  type Logger,
  type TraceCarrier,
} from '@flotilla/runtime';
import { z } from 'zod';
import { watchBacklog } from './backlog.ts';
import { ClockComparison } from './clock-comparison.ts';
import { RecentAnswers } from './recent-answers.ts';
import {
  type CommandTransport,
  type MessageHandler,
  type Outcome,
  type QueueKind,
  type ServeOptions,
  type Serving,
  TransportError,
} from './transport.ts';

/** Longest time of a timer in Node, in ms. */
const maxTimeoutMs = 2 ** 31 - 1;

const Message = z.object({
  commandId: z.string(),
  type: z.string(),
  version: z.int(),
  /** How long the caller waits, ms. A duration, because the clocks of two machines differ. */
  timeoutMs: z.int().positive().max(maxTimeoutMs),
  payload: z.unknown(),
});

const ofAnswer = {
  /** Time of the answer on the handler's clock, ms since the Unix epoch. */
  at: z.int(),
  /** Time from the delivery of the command to its answer, ms. Absent from a service of an older version. */
  handledMs: z.number().nonnegative().optional(),
};

const Answer = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), payload: z.unknown(), ...ofAnswer }),
  z.object({
    ok: z.literal(false),
    error: ErrorBody,
    /** The service works, and is older than the caller. */
    isNewer: z.boolean().optional(),
    ...ofAnswer,
  }),
]);
type Answer = z.output<typeof Answer>;

/** Metadata of a command, passed to its handler. */
export interface CommandContext {
  readonly commandId: string;
  /** Aborted when the caller has waited long enough, counted from the delivery of the command. */
  readonly signal: AbortSignal;
}

export type CommandHandlers<T extends CommandType> = {
  readonly [K in T]: (payload: ParsedCommandPayload<K>, context: CommandContext) => Promise<CommandReply<K>>;
};

export interface CallOptions {
  /** How long the caller waits. Default 5000. */
  readonly timeoutMs?: number;
  /** Idempotency key: two calls with the same id run once, and both get the reply. Default: a random UUID. */
  readonly commandId?: string;
  /** Sends it whatever the state of the breaker is, without effect on it: for probes. Default false. */
  readonly unguarded?: boolean;
}

const calls = histogram({
  name: 'flotilla_command_duration_seconds',
  help: 'How long a command took, from its caller (role=caller) or its handler (role=handler).',
  labelNames: ['type', 'role'],
  buckets: latencyBuckets,
});
const outcomes = counter({
  name: 'flotilla_commands_total',
  help: 'Commands by type, role and outcome: ok, or the error code.',
  labelNames: ['type', 'role', 'outcome'],
});

const waits = histogram({
  name: 'flotilla_command_wait_seconds',
  help: 'Time of an answered command outside of its handler: on the way, in its queue, and the way back.',
  labelNames: ['type'],
  buckets: latencyBuckets,
});

/**
 * Request-reply commands between services. A call resolves to the reply or rejects with a FlotillaError: the handler's own,
 * NODE_UNAVAILABLE when the queue of an SFU node or relay does not exist, UNAVAILABLE when the broker or the service is down,
 * DEADLINE_EXCEEDED after the timeout. The broker drops a command that is not delivered by then. Delivery is at least once; a repeated
 * command id gets the first reply for a minute.
 *
 * Each queue has a breaker. After consecutive timeouts or answers UNAVAILABLE, calls are refused at once with CallRefused:
 * NODE_UNAVAILABLE for the queue of an instance, UNAVAILABLE for that of a service.
 */
export class CommandBus {
  readonly #transport: CommandTransport;
  readonly #log: Logger;
  readonly #clocks: ClockComparison;
  /** Breakers by queue, and budgets of retries by service. */
  readonly guard: CallGuard;

  constructor(transport: CommandTransport, log: Logger, breakers: Omit<CallGuardOptions, 'log' | 'probe'> = {}) {
    this.#transport = transport;
    this.#log = log;
    this.#clocks = new ClockComparison(log);
    this.guard = new CallGuard({ ...breakers, log, probe: (queue) => this.#ping(queue) });
  }

  /**
   * Sends a command and waits for its reply.
   *
   * @throws FlotillaError see the class.
   */
  async call<T extends CommandType>(
    queue: string,
    type: T,
    payload: CommandPayload<T>,
    options: CallOptions = {},
  ): Promise<CommandReply<T>> {
    const { timeoutMs = 5000, commandId = crypto.randomUUID(), unguarded = false } = options;
    let outcome = 'ok';
    try {
      return await inSpan(
        `command ${type}`,
        { kind: 'client', attributes: { 'flotilla.queue': queue, 'flotilla.command_id': commandId } },
        () =>
          measured({ type, role: 'caller' }, async () => {
            const { version, reply } = commands[type];
            const message = { commandId, type, version, timeoutMs, payload } satisfies z.input<typeof Message>;
            const text = JSON.stringify(message);
            const send = (): Promise<Answer> => this.#exchange(queue, type, text, { id: commandId, timeoutMs });
            const answer = await (unguarded ? send() : this.guard.call(targetOf(queue), send, outcomeOf));
            if (!answer.ok) throw new FlotillaError(answer.error.code, answer.error.message);
            return read(reply, answer.payload) as CommandReply<T>;
          }),
      );
    } catch (error) {
      const failure = FlotillaError.from(error);
      outcome = failure.code;
      throw failure;
    } finally {
      outcomes.inc({ type, role: 'caller', outcome });
    }
  }

  /**
   * Whether a call to this queue may be sent again, or to another instance of its service, after it was not answered: at most one in ten of
   * the service's calls is a retry. `isEssential`: it is counted, and always allowed.
   */
  mayRetry(queue: string, isEssential = false): boolean {
    return this.guard.takeRetry(serviceOf(queue), isEssential);
  }

  /** Ids of the instances of a service to which calls are refused now. */
  refusedInstances(service: 'sfu' | 'relay'): string[] {
    const prefix = `${service}.`;
    return this.guard.refused().flatMap((queue) => (queue.startsWith(prefix) ? [queue.slice(prefix.length)] : []));
  }

  /** Asks what serves a queue whether it does. */
  async #ping(queue: string): Promise<'answered' | 'failed' | 'absent'> {
    const type = pings[serviceOf(queue)];
    if (type === undefined) return 'failed';
    try {
      await this.call(queue, type, {}, { timeoutMs: pingTimeoutMs, unguarded: true });
      return 'answered';
    } catch (error) {
      const { code } = FlotillaError.from(error);
      if (code === 'NODE_UNAVAILABLE') return 'absent';
      return code === 'DEADLINE_EXCEEDED' || code === 'UNAVAILABLE' ? 'failed' : 'answered';
    }
  }

  async #exchange(
    queue: string,
    type: CommandType,
    message: string,
    options: { id: string; timeoutMs: number },
  ): Promise<Answer> {
    const sentAt = Date.now();
    const startedAt = performance.now();
    const answer = Answer.parse(JSON.parse(await this.#request(queue, message, options)));
    this.#clocks.compare(serviceOf(queue), { sentAt, answeredAt: answer.at, receivedAt: Date.now() });
    // Two durations, because the clocks of two machines differ.
    if (answer.handledMs !== undefined)
      waits.observe({ type }, Math.max(0, performance.now() - startedAt - answer.handledMs) / 1000);
    return answer;
  }

  async #request(
    queue: string,
    message: string,
    { id, timeoutMs }: { id: string; timeoutMs: number },
  ): Promise<string> {
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const headers = injectTrace();
      return await this.#transport.request(queue, message, { id, ttlMs: timeoutMs, signal: timeout, headers });
    } catch (error) {
      if (timeout.aborted)
        throw new FlotillaError('DEADLINE_EXCEEDED', `${queue} did not answer within ${timeoutMs} ms`);
      if (!(error instanceof TransportError)) throw error;
      // The broker deletes the exclusive queue of a node when the node disconnects.
      const nodeId = /^(?:sfu|relay)\.(.+)$/.exec(queue)?.[1];
      if (error.kind === 'unroutable' && nodeId !== undefined)
        throw new FlotillaError('NODE_UNAVAILABLE', `${nodeId} is not running`, { cause: error });
      throw new FlotillaError('UNAVAILABLE', error.message, { cause: error });
    }
  }

  /** Consumes a queue, with one handler per command type. */
  async serve<T extends CommandType>(
    queue: string,
    kind: QueueKind,
    handlers: CommandHandlers<T>,
    options?: ServeOptions,
  ): Promise<Serving> {
    const recent = new RecentAnswers();
    const handle: MessageHandler = async (text, headers) => {
      const deliveredAt = performance.now();
      const message = parseMessage(text);
      if (typeof message === 'string') {
        this.#log.warn({ queue, reason: message }, 'command dead-lettered: invalid message');
        return { deadLetter: message };
      }
      const outcome = await recent.once(message.commandId, () =>
        this.#handle(message, text, headers, handlers as unknown as AnyHandlers),
      );
      return stamped(outcome, performance.now() - deliveredAt);
    };
    const serving = await this.#transport.serve(queue, kind, handle, options);
    const stop = watchBacklog(serviceOf(queue), serving);
    return {
      ...serving,
      close: () => {
        stop();
        return serving.close();
      },
    };
  }

  async #handle(
    message: z.output<typeof Message>,
    text: string,
    carrier: TraceCarrier,
    handlers: AnyHandlers,
  ): Promise<Outcome> {
    const { type, commandId } = message;
    const isKnown = Object.hasOwn(commands, type) && Object.hasOwn(handlers, type);
    const handler = isKnown ? handlers[type] : undefined;
    const spec = isKnown ? commands[type as CommandType] : undefined;
    if (!handler || !spec) return refuse(new FlotillaError('UNKNOWN_TYPE', `no handler for command ${type}`));
    if (message.version > spec.version)
      return refuse(
        new FlotillaError('UNAVAILABLE', `${type} version ${message.version} is newer than this service`),
        undefined,
        { isNewer: true },
      );
    const payload = safeRead(spec.payload, message.payload);
    if (!payload.success) return badPayload(type, firstIssue(payload.error));
    if (!isWellFormedJson(text, payload.data)) return badPayload(type, malformedText);

    let outcome = 'ok';
    try {
      const signal = AbortSignal.timeout(message.timeoutMs);
      const attributes = { 'flotilla.command_id': commandId };
      const reply = await inSpan(`handle ${type}`, { kind: 'server', carrier, attributes }, () =>
        measured({ type, role: 'handler' }, () => handler(payload.data, { commandId, signal })),
      );
      return { answer: JSON.stringify({ ok: true, payload: reply }) };
    } catch (error) {
      const failure = FlotillaError.from(error);
      outcome = failure.code;
      if (failure.code !== 'INTERNAL') return refuse(failure);
      this.#log.error({ err: failure.cause ?? failure, command: type, commandId }, 'command failed');
      return refuse(failure, `${type} failed: ${String(failure.cause)}`);
    } finally {
      outcomes.inc({ type, role: 'handler', outcome });
    }
  }

  /** Why commands cannot be sent; undefined when they can. */
  problem(): string | undefined {
    return this.#transport.problem();
  }

  /** Closes the transport. Pending calls reject. */
  async close(): Promise<void> {
    this.guard.stop();
    await this.#transport.close();
  }
}

/** Observes how long `work` takes, in the active span. */
async function measured<R>(labels: { type: string; role: 'caller' | 'handler' }, work: () => Promise<R>): Promise<R> {
  const began = performance.now();
  try {
    return await work();
  } finally {
    calls.observe(labels, (performance.now() - began) / 1000);
  }
}

/** The service of a queue, without the id of its instance: `sfu` of `sfu.nd_a`. */
const serviceOf = (queue: string): string => queue.split('.', 1)[0]!;

const targetOf = (queue: string): Target => ({ kind: serviceOf(queue), name: queue, isInstance: queue.includes('.') });

/** Probes of services whose breaker is open. */
const pings: Readonly<Record<string, 'registry.ping' | 'sfu.ping' | 'relay.ping'>> = {
  registry: 'registry.ping',
  sfu: 'sfu.ping',
  relay: 'relay.ping',
};
const pingTimeoutMs = 1000;

/**
 * What a call says about the service. An error that it answers with, such as NOT_FOUND, or NODE_UNAVAILABLE about another service, is an
 * answer. When the queue of an instance does not exist, the broker says so at once, and nothing says that the instance is slow.
 */
const outcomeOf: OutcomeOf<Answer> = (settled) => {
  if ('value' in settled) {
    const answer = settled.value;
    return answer.ok || answer.isNewer || answer.error.code !== 'UNAVAILABLE' ? 'answered' : 'failed';
  }
  const { code, cause } = FlotillaError.from(settled.error);
  if (code === 'DEADLINE_EXCEEDED') return 'failed';
  if (!(cause instanceof TransportError)) return 'answered';
  if (cause.kind !== 'unroutable') return 'unknown';
  return code === 'NODE_UNAVAILABLE' ? 'absent' : 'failed';
};

type AnyHandlers = Record<string, ((payload: unknown, context: CommandContext) => Promise<unknown>) | undefined>;

function parseMessage(text: string): z.output<typeof Message> | string {
  try {
    const message = Message.safeParse(JSON.parse(text));
    return message.success ? message.data : firstIssue(message.error);
  } catch {
    return 'not JSON';
  }
}

/** Adds the times of the answer. They are not in what `RecentAnswers` keeps, which may be sent again later. */
const stamped = ({ answer, ...outcome }: Outcome, handledMs: number): Outcome =>
  answer === undefined
    ? outcome
    : { ...outcome, answer: `${answer.slice(0, -1)},"at":${Date.now()},"handledMs":${handledMs.toFixed(3)}}` };

const badPayload = (type: string, why: string): Outcome =>
  refuse(new FlotillaError('BAD_PAYLOAD', why), `payload of ${type}: ${why}`);

function refuse(error: FlotillaError, deadLetter?: string, more?: { isNewer: true }): Outcome {
  const answer = JSON.stringify({ ok: false, error: error.body, ...more });
  return deadLetter === undefined ? { answer } : { answer, deadLetter };
}
