/** What stands for a secret. */
export const redacted = '<redacted>';

/** Names of fields whose values are never written, such as `token`. */
const secretField = /token|secret|password|credential|api_?key|authorization/i;
/** A JSON Web Token anywhere in a text. */
const jsonWebToken = /\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g;

/**
 * Replaces the values of secret fields, and JSON Web Tokens and the given secrets wherever they are. Returns a copy.
 *
 * @param secrets texts that must not be in the result, such as the API key of the request
 */
export function redact(value: unknown, secrets: readonly string[] = []): unknown {
  if (typeof value === 'string') return redactText(value, secrets);
  if (Array.isArray(value)) return value.map((item) => redact(item, secrets));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      redactText(name, secrets),
      secretField.test(name) && field !== null ? redacted : redact(field, secrets),
    ]),
  );
}

export function redactText(text: string, secrets: readonly string[] = []): string {
  let result = text.replaceAll(jsonWebToken, redacted);
  for (const secret of secrets) if (secret !== '') result = result.replaceAll(secret, redacted);
  return result;
}
