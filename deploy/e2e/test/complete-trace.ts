import { notYet, type OtlpCollector, type Span, waitFor } from '@flotilla/testkit';

/** A span that a trace must have: `<service>: <name>`, and the one that is its parent. */
export type Expected = readonly [span: string, parent: string];

export const titleOf = ({ service, name }: Span): string => `${service}: ${name}`;

/** What is missing in a trace, or wrong: its root, spans with their parents, a parent that was not exported. */
function problemsOf(spans: readonly Span[], root: string, expected: readonly Expected[]): string[] {
  const byId = new Map(spans.map((span) => [span.id, span]));
  const roots = spans.filter(({ parentId }) => parentId === '').map(titleOf);
  const has = (title: string, parent: string): boolean =>
    spans.some((span) => {
      const above = byId.get(span.parentId);
      return titleOf(span) === title && above !== undefined && titleOf(above) === parent;
    });
  return [
    ...(roots.length === 1 && roots[0] === root ? [] : [`roots: ${roots.join(', ')}`]),
    ...spans.filter(({ parentId }) => parentId !== '' && !byId.has(parentId)).map((span) => `orphan ${titleOf(span)}`),
    ...expected.filter(([title, parent]) => !has(title, parent)).map(([title, parent]) => `${title} below ${parent}`),
  ];
}

/** The last trace that begins with a span of this title after `since` (Unix epoch, ms), once it has all that is expected. */
export async function completeTrace(
  collector: OtlpCollector,
  root: string,
  since: number,
  expected: readonly Expected[],
): Promise<Span[]> {
  return waitFor(
    `the trace of ${root}`,
    () => {
      const isRoot = (span: Span): boolean => titleOf(span) === root && span.parentId === '' && span.startedAt >= since;
      const found = collector.spans.findLast(isRoot);
      if (!found) return notYet('it has not begun');
      const spans = collector.traceOf(found);
      const problems = problemsOf(spans, root, expected);
      return problems.length === 0 ? spans : notYet(`${problems.join('; ')} in ${spans.map(titleOf).join(', ')}`);
    },
    { timeoutMs: 30_000, everyMs: 200 },
  );
}
