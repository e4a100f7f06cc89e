import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { closedUnanswered } from '../src/attacker.ts';
import { attacks } from '../src/attacks/index.ts';

const page = (name: string): string => readFileSync(new URL(`../../../docs/${name}.md`, import.meta.url), 'utf8');
const [limits, errors] = [page('limits'), page('errors')];

/** Whether the documents name an answer: an error code, `close <code>`, or `HTTP <status>` with or without an error code. */
function isDocumented(answer: string): boolean {
  if (answer === closedUnanswered) return limits.includes('the connection is closed without an answer');
  const [, status, code] = /^HTTP (\d+)(?: (\w+))?$/.exec(answer) ?? [];
  if (status !== undefined)
    return code === undefined ? `${limits}${errors}`.includes(status) : errors.includes(`| \`${code}\` | ${status} |`);
  const [, closeCode] = /^close (\d+)$/.exec(answer) ?? [];
  if (closeCode !== undefined) return errors.includes(`| ${closeCode} | \``);
  return errors.includes(`| \`${answer}\` |`);
}

/** Not refusals: what the attacker did itself, or was served. */
const served = new Set(['ok', 'sent', 'received', 'requested', 'HTTP 200', 'held open']);

describe('attacks', () => {
  test.each(attacks)('$name expects refusals only that docs/limits.md or docs/errors.md name', ({ expected }) => {
    const unknown = expected.filter((answer) => !served.has(answer) && !isDocumented(answer));
    expect(unknown).toEqual([]);
  });

  test('have different names', () => {
    expect(new Set(attacks.map(({ name }) => name)).size).toBe(attacks.length);
  });
});
