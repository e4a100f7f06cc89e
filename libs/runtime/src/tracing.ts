import { context, propagation, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

const tracer = trace.getTracer('flotilla');

/** W3C trace context in commands and events: `traceparent` and `tracestate`. */
export type TraceCarrier = Record<string, string>;

/** The active trace context, for a message. Empty without tracing. */
export function injectTrace(): TraceCarrier {
  const carrier: TraceCarrier = {};
  propagation.inject(context.active(), carrier);
  return carrier;
}

/**
 * Runs `work` in a span. With a `carrier` the span continues the sender's trace. A failure is recorded on the span and
 * thrown on.
 */
export function inSpan<T>(
  name: string,
  options: {
    kind?: 'server' | 'client' | 'producer' | 'consumer' | 'internal';
    carrier?: TraceCarrier | undefined;
    attributes?: Record<string, string | number | boolean>;
  },
  work: (span: Span) => T,
): T {
  const parent = options.carrier ? propagation.extract(context.active(), options.carrier) : context.active();
  const kind = SpanKind[(options.kind ?? 'internal').toUpperCase() as keyof typeof SpanKind];
  return tracer.startActiveSpan(name, { kind, attributes: options.attributes ?? {} }, parent, (span) => {
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
  });
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
 * @returns a function that flushes and stops.
 */
export async function startTracing(service: string, endpoint: string): Promise<() => Promise<void>> {
  // Loaded on demand: it takes 0.5 s, which a process without tracing does not need.
  const [{ NodeSDK }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ]);
  const sdk = new NodeSDK({
    serviceName: service,
    traceExporter: new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` }),
    instrumentations: [],
  });
  sdk.start();
  return () => sdk.shutdown();
}
