import { afterAll } from 'vitest';

/** Measurements of one page since the last call of `take`. */
export interface Seen {
  readonly name: string;
  /** The longest gap between two rendered frames of another participant, in milliseconds. */
  readonly longestGapMs: number;
  readonly moves: readonly { readonly ms?: number; readonly error?: string }[];
  readonly states: readonly unknown[];
}

/** The figures of a test file, printed as a table after its tests. */
export class Figures {
  readonly #rows: string[] = [];

  constructor() {
    afterAll(() => console.log(`\n${heading}\n${this.#rows.join('\n')}\n`));
  }

  /** Adds what a call saw during an event. */
  add(event: string, tookMs: number, seen: readonly Seen[] = []): void {
    const gaps = seen.map(({ longestGapMs }) => longestGapMs).join(', ');
    const moves = seen.map(({ moves: { length } }) => length).join(', ');
    const row = `| ${event} | ${(tookMs / 1000).toFixed(1)} | ${gaps} | ${moves} |`;
    this.#rows.push(row);
    // Shown at once too: a run that fails later has printed it.
    console.log(row);
    for (const { name, moves: all } of seen)
      for (const { error } of all) if (error !== undefined) console.log(`  ${name}, a retried migration: ${error}`);
  }
}

const heading = `| event | duration (s) | longest frame gap at each browser (ms) | migrations of each browser |
| ----- | ------------ | ------------------------------ | ------------------ |`;
