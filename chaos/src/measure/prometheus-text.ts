/** A sample of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads the text format of Prometheus, without comments and time stamps. */
export function readSamples(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text_]) => [label!, text_!]);
    return [{ name, labels: Object.fromEntries(pairs), value: readValue(value!) }];
  });
}

/** `Number` reads neither of the infinities as Prometheus writes them. */
const readValue = (text: string): number => Number(text.replace(/Inf$/, 'Infinity'));
