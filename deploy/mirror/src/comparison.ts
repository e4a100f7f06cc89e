import type { Exchange } from '@flotilla/contracts';
import { type Difference, differencesByShape, differencesByValue, rules } from './body-differences.ts';
import { exchangesOf, type Read } from './captures.ts';
import { mannWhitney, type Quantiles, quantiles, type RankTest } from './statistics.ts';

export interface ComparisonOptions {
  /** Whether the bodies of reads are compared by value. */
  readonly exact?: boolean;
  /** Names of fields whose differences are ignored. */
  readonly ignore?: readonly string[];
  /** Differences that the report has, at most. */
  readonly examples?: number;
}

/** A request that both sides answered differently. */
export interface Example {
  readonly kind: 'status' | 'body' | 'state';
  readonly request: string;
  readonly requestId: string;
  /** Of the traces of both sides, where they are sampled. */
  readonly traces: { readonly production: string | undefined; readonly shadow: string | undefined };
  readonly differences: readonly Difference[];
}

interface LatencyComparison {
  readonly production: Quantiles;
  readonly shadow: Quantiles;
  /** Undefined for fewer than 20 pairs. */
  readonly test: RankTest | undefined;
}

export interface RouteReport {
  readonly route: string;
  readonly pairs: number;
  readonly status: number;
  readonly body: number;
  /** Pairs that differ because one side lacks, or cannot reach, what the request is about. */
  readonly state: number;
  readonly latencyMs: LatencyComparison;
}

export interface Report {
  readonly read: { readonly production: Read; readonly shadow: Read };
  readonly pairs: number;
  /** Exchanges of the shadow release that production has no match for, such as one that its capture has already lost. */
  readonly unmatched: number;
  /** Ids that came more than once on one side. Their further exchanges are left out. */
  readonly repeated: number;
  readonly rules: readonly string[];
  readonly routes: readonly RouteReport[];
  readonly total: RouteReport;
  readonly examples: readonly Example[];
}

/** Fewer pairs have no test of their latencies. */
const minTested = 20;
/**
 * With these codes a side says that it has not what the request is about, or, for those of nodes, that it cannot reach it. A shadow
 * release has no nodes, and only the state of mirrored writes.
 */
const stateCodes = new Set(['ROOM_NOT_FOUND', 'PARTICIPANT_NOT_FOUND', 'NOT_FOUND', 'NODE_UNAVAILABLE']);

interface Counts {
  pairs: number;
  status: number;
  body: number;
  state: number;
  readonly production: number[];
  readonly shadow: number[];
}
const newCounts = (): Counts => ({ pairs: 0, status: 0, body: 0, state: 0, production: [], shadow: [] });

/** Compares the captures of both sides. Holds those of the shadow release, and the latencies of both, in memory. */
export async function compareCaptures(
  production: readonly string[],
  shadow: readonly string[],
  { exact = false, ignore = [], examples: maxExamples = 20 }: ComparisonOptions = {},
): Promise<Report> {
  const read = { production: { exchanges: 0, damaged: 0 }, shadow: { exchanges: 0, damaged: 0 } };
  const waiting = new Map<string, Exchange>();
  let repeated = 0;
  for await (const exchange of exchangesOf(shadow, read.shadow)) {
    if (waiting.has(keyOf(exchange))) repeated += 1;
    else waiting.set(keyOf(exchange), exchange);
  }
  const matched = new Set<string>();
  const total = newCounts();
  const routes = new Map<string, Counts>();
  const examples: Example[] = [];
  const ignored = new Set(ignore);
  for await (const ours of exchangesOf(production, read.production)) {
    const key = keyOf(ours);
    const theirs = waiting.get(key);
    if (matched.has(key)) repeated += 1;
    if (!theirs || matched.has(key)) continue;
    matched.add(key);
    const route = `${ours.method} ${ours.route ?? '(no route)'}`;
    const counts = routes.get(route) ?? newCounts();
    routes.set(route, counts);
    const example = compared(ours, theirs, exact, ignored);
    for (const each of [total, counts]) {
      each.pairs += 1;
      each.production.push(ours.ms);
      each.shadow.push(theirs.ms);
      if (example) each[example.kind] += 1;
    }
    if (example && examples.filter(({ kind }) => kind === example.kind).length < maxExamples) examples.push(example);
  }
  return {
    read,
    pairs: total.pairs,
    unmatched: waiting.size - matched.size,
    repeated,
    rules: [...rules, ...ignore.map((field) => `--ignore ${field}`)],
    routes: [...routes].map(([route, counts]) => routeReport(route, counts)).toSorted((a, b) => b.pairs - a.pairs),
    total: routeReport('all', total),
    examples: examples.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind)).slice(0, maxExamples),
  };
}

const order = ['status', 'body', 'state'];

/** One client may use one id for several requests. */
const keyOf = ({ requestId, method, path }: Exchange): string => `${requestId} ${method} ${path}`;

function compared(ours: Exchange, theirs: Exchange, exact: boolean, ignored: ReadonlySet<string>): Example | undefined {
  const of = (kind: Example['kind'], differences: readonly Difference[]): Example => ({
    kind,
    request: `${ours.method} ${ours.path}`,
    requestId: ours.requestId,
    traces: { production: ours.traceId, shadow: theirs.traceId },
    differences: differences.map(shortened),
  });
  if (ours.status !== theirs.status) {
    const isState = isWithoutState(ours) !== isWithoutState(theirs);
    return of(isState ? 'state' : 'status', [
      { at: 'status', production: ours.status, shadow: theirs.status },
      ...codeDifference(ours, theirs),
    ]);
  }
  const isRead = ours.method === 'GET' && ours.status < 300;
  const isHashed = ours.bodySha256 !== undefined || theirs.bodySha256 !== undefined;
  if (isHashed && isRead && !exact) return undefined;
  if (isHashed || (ours.body === undefined) !== (theirs.body === undefined)) {
    const [production, shadow] = [ours, theirs].map(({ bodySha256, body }) => bodySha256 ?? body);
    return production === shadow ? undefined : of('body', [{ at: '', production, shadow }]);
  }
  const differ = isRead && !exact ? differencesByShape : differencesByValue;
  const differences = differ(ours.body, theirs.body, ignored);
  return differences.length === 0 ? undefined : of('body', differences);
}

const codeOf = ({ body }: Exchange): unknown => (body as { error?: { code?: unknown } } | undefined)?.error?.code;
const isWithoutState = (exchange: Exchange): boolean => stateCodes.has(String(codeOf(exchange)));

function codeDifference(ours: Exchange, theirs: Exchange): Difference[] {
  const [production, shadow] = [codeOf(ours), codeOf(theirs)];
  return production === shadow ? [] : [{ at: '/error/code', production, shadow }];
}

/** Characters of a value in the report. */
const maxValue = 120;

function shortened({ at, production, shadow }: Difference): Difference {
  const short = (value: unknown): unknown => {
    const text = JSON.stringify(value);
    return text !== undefined && text.length > maxValue ? `${text.slice(0, maxValue)}...` : value;
  };
  return { at, production: short(production), shadow: short(shadow) };
}

function routeReport(route: string, { pairs, status, body, state, production, shadow }: Counts): RouteReport {
  return {
    route,
    pairs,
    status,
    body,
    state,
    latencyMs: {
      production: quantiles(production),
      shadow: quantiles(shadow),
      test: pairs < minTested ? undefined : mannWhitney(production, shadow),
    },
  };
}
