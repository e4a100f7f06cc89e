/** A selector in an expression: the name of the metric, and the labels that its matchers name. */
export interface Selector {
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
}

const words = new Set(['and', 'or', 'unless', 'bool', 'offset', 'on', 'ignoring', 'by', 'without']);

/** The selectors of an expression of PromQL, without subqueries. */
export function selectorsOf(expr: string): Selector[] {
  const plain = expr
    .replaceAll(/\[[^\]]*\]/g, '')
    .replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, '');
  const selector = /(?<![\w:.])(?<metric>[a-zA-Z_:][\w:]*)(?:\{(?<matchers>(?:[^}"]|"[^"]*")*)\})?(?!\s*\(|[\w:])/g;
  return [...plain.matchAll(selector)].flatMap(({ groups }) => {
    const { metric = '', matchers = '' } = groups ?? {};
    if (words.has(metric)) return [];
    const labels = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)].map(([, label, value]) => [
      label!,
      value!,
    ]);
    return [{ metric, labels: Object.fromEntries(labels) as Record<string, string> }];
  });
}
