import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Span {
  readonly traceId: string;
  readonly id: string;
  /** Empty for the first span of a trace. */
  readonly parentId: string;
  readonly service: string;
  readonly name: string;
  /** Times in ms since the Unix epoch, with fractions. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: ReadonlyMap<string, string | undefined>;
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

/** The used part of an OTLP/HTTP export request (opentelemetry-proto, JSON encoding). */
interface ExportRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly name: string;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly attributes: readonly Attribute[];
      }[];
    }[];
  }[];
}

const valuesOf = (attributes: readonly Attribute[]): Map<string, string | undefined> =>
  new Map(attributes.map(({ key, value }) => [key, value.stringValue]));

function spansIn(text: string): Span[] {
  return (JSON.parse(text) as ExportRequest).resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = valuesOf(resource.attributes).get('service.name') ?? '';
    return scopeSpans
      .flatMap(({ spans }) => spans)
      .map(({ traceId, spanId, parentSpanId = '', name, startTimeUnixNano, endTimeUnixNano, attributes }) => ({
        traceId,
        id: spanId,
        parentId: parentSpanId,
        service,
        name,
        startedAt: Number(startTimeUnixNano) / 1e6,
        endedAt: Number(endTimeUnixNano) / 1e6,
        attributes: valuesOf(attributes),
      }));
  });
}

/** An OTLP receiver that keeps the spans that services export. */
export class OtlpCollector {
  readonly spans: Span[] = [];
  readonly #server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      this.spans.push(...spansIn(text));
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });

  static async start(): Promise<OtlpCollector> {
    const collector = new OtlpCollector();
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  /** The spans of the trace that a span belongs to, in the order of their begin. */
  traceOf({ traceId }: Span): Span[] {
    return this.spans.filter((span) => span.traceId === traceId).toSorted((a, b) => a.startedAt - b.startedAt);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
  }
}
