/** Whether all text in a JSON value, keys included, is well-formed Unicode (RFC 7493 section 2.1): no half of a surrogate pair. */
export function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, child]) => key.isWellFormed() && isWellFormed(child));
}

/**
 * As `isWellFormed`, of a JSON text that was decoded from UTF-8, and a value parsed from it. Half of a surrogate pair gets into such
 * a value only as an escape, so that most values need not be visited.
 */
export function isWellFormedJson(text: string, value: unknown): boolean {
  return !surrogateEscape.test(text) || isWellFormed(value);
}

const surrogateEscape = /\\u[dD][89a-fA-F]/;

/** The refusal of such text. */
export const malformedText = 'text has half of a surrogate pair: send well-formed Unicode (RFC 7493, section 2.1)';
