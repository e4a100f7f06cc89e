import { createHash } from 'node:crypto';
import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from '@opentelemetry/api';

const tracer = trace.getTracer('flotilla');

/** W3C trace context and baggage in commands and events: `traceparent`, `tracestate` and `baggage`. */
export type TraceCarrier = Readonly<Record<string, string>>;

/** The active trace context, for a message. Empty without tracing. */
export function injectTrace(): TraceCarrier {
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  return carrier;
}

/** The id of the active trace when it is sampled. */
export function sampledTraceId(): string | undefined {
  const active = trace.getActiveSpan()?.spanContext();
  return active && (active.traceFlags & TraceFlags.SAMPLED) !== 0 ? active.traceId : undefined;
}

/** What a trace is about. Other services get hashes of it as baggage, and every span has these as attributes. */
export interface TraceSubject {
  readonly room?: string | undefined;
  readonly tenant?: string | undefined;
}

const baggagePrefix = 'flotilla.';

/** A name in traces: the first 16 hexadecimal digits of the SHA-256 of `<kind>:<name>`, so that collectors get no names. */
export const hashedName = (kind: keyof TraceSubject, name: string): string =>
  createHash('sha256').update(`${kind}:${name}`).digest('hex').slice(0, 16);

function withSubject(parent: Context, subject: TraceSubject | undefined): Context {
  if (!subject || !isTracing) return parent;
  let baggage = propagation.getBaggage(parent) ?? propagation.createBaggage();
  for (const kind of ['room', 'tenant'] as const) {
    const name = subject[kind];
    if (name !== undefined) baggage = baggage.setEntry(`${baggagePrefix}${kind}`, { value: hashedName(kind, name) });
  }
  return propagation.setBaggage(parent, baggage);
}

/** Hashing costs microseconds, which a process without tracing saves. */
let isTracing = false;

export interface SpanOptions {
  readonly kind?: 'server' | 'client' | 'producer' | 'consumer' | 'internal';
  readonly carrier?: TraceCarrier | undefined;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  readonly subject?: TraceSubject;
}

/**
 * Runs `work` in a span. With a `carrier` the span continues the sender's trace. A failure is recorded on the span and
 * thrown on.
 */
export function inSpan<T>(name: string, options: SpanOptions, work: (span: Span) => T): T {
  const sender = options.carrier ? propagation.extract(context.active(), options.carrier) : context.active();
  const parent = withSubject(sender, options.subject);
  const kind = SpanKind[(options.kind ?? 'internal').toUpperCase() as keyof typeof SpanKind];
  return tracer.startActiveSpan(
    name,
    { kind, attributes: { ...subjectIn(parent), ...options.attributes } },
    parent,
    (span) => {
      const fail = (error: unknown): never => {
        span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
        if (error instanceof Error) span.recordException(error);
        span.end();
        throw error;
      };
      try {
        const result = work(span);
        if (!(result instanceof Promise)) {
          span.end();
          return result;
        }
        return result.then((value: unknown) => {
          span.end();
          return value;
        }, fail) as T;
      } catch (error) {
        return fail(error);
      }
    },
  );
}

/**
 * Runs `work` in a span of kind client when another span is active. What a process does by itself, such as heartbeats, starts no
 * trace.
 */
export function inChildSpan<T>(name: string, work: () => T): T {
  return trace.getActiveSpan() ? inSpan(name, { kind: 'client' }, work) : work();
}

/** Runs `work` as part of no trace: a listener is otherwise called in the trace that was active when its connection was opened. */
export function outsideTraces<T>(work: () => T): T {
  return context.with(ROOT_CONTEXT, work);
}

/**
 * Starts to send spans to an OTLP collector. Spans are created explicitly (request, command, event, Redis), so no instrumentation has to
 * be loaded before the application.
 *
 * @param ratio share of the traces that are sampled, 0 to 1. Services that continue a trace keep its sender's decision.
 * @returns a function that flushes and stops.
 */
export async function startTracing(service: string, endpoint: string, ratio: number): Promise<() => Promise<void>> {
  // Loaded on demand: it takes 0.5 s, which a process without tracing does not need.
  const [{ NodeSDK }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ]);
  // The SDK makes its sampler from these.
  process.env['OTEL_TRACES_SAMPLER'] = 'parentbased_traceidratio';
  process.env['OTEL_TRACES_SAMPLER_ARG'] = String(ratio);
  const sdk = new NodeSDK({
    serviceName: service,
    traceExporter: new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` }),
    instrumentations: [],
  });
  sdk.start();
  isTracing = true;
  return () => sdk.shutdown();
}

/** The subject of the trace, as attributes of a span. */
function subjectIn(parent: Context): Record<string, string> {
  const entries = propagation.getBaggage(parent)?.getAllEntries() ?? [];
  return Object.fromEntries(
    entries.filter(([key]) => key.startsWith(baggagePrefix)).map(([key, { value }]) => [key, value]),
  );
}
