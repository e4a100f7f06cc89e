/** Whether all text in a JSON value, keys included, is well-formed Unicode (RFC 7493 section 2.1): no half of a surrogate pair. */
export function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, child]) => key.isWellFormed() && isWellFormed(child));
}

/** The refusal of such text. */
export const malformedText = 'text has half of a surrogate pair: send well-formed Unicode (RFC 7493, section 2.1)';
