/** The moment at which every recording takes place, in milliseconds since the Unix epoch. */
const epoch = 1_795_395_600_000;

/** Placeholders for fields with random values. `#` is a number, by order of appearance. */
const byField: Readonly<Record<string, string | number>> = {
  resumeToken: 'resume-token-#',
  usernameFragment: 'ufrag-#',
  password: 'ice-password-#',
  consumerId: 'consumer-#',
  producerId: 'producer-#',
  value: '5B:1F:…:C4',
  address: '203.0.113.7',
  ip: '203.0.113.7',
  port: 40_000,
  priority: 1_076_302_079,
  nodeId: 'nd_a1',
  createdAt: epoch - 60_000,
  expiresAt: epoch + 900_000,
};
const moments = new Set(['joinedAt', 'routedAt']);

/** Replaces ids, keys, times and addresses of a recording by stable placeholders, equal values by equal ones. */
export class Placeholders {
  readonly #counts = new Map<string, number>();

  constructor(
    /** Placeholders of known values. */
    private readonly names: Map<string, string>,
  ) {}

  replaceIn(value: unknown, field = '', parentField = ''): unknown {
    if (Array.isArray(value)) return value.map((each) => this.replaceIn(each, field, parentField));
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value).map(([key, each]) => [this.#inText(key), this.replaceIn(each, key, field)]),
      );
    if (typeof value === 'number') return this.#ofNumber(value, field);
    return typeof value === 'string' ? this.#ofText(value, field, parentField) : value;
  }

  #ofNumber(value: number, field: string): number {
    if (moments.has(field)) return epoch + this.#count('moment', String(value));
    const placeholder = byField[field];
    return typeof placeholder === 'number'
      ? placeholder
      : field === 'ssrc'
        ? this.#count('ssrc', String(value)) * 1111
        : value;
  }

  #ofText(value: string, field: string, parentField: string): string {
    const placeholder = byField[field];
    if (typeof placeholder === 'string') return this.#named(value, placeholder);
    if (/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(value))
      return this.#named(value, parentField === 'send' || parentField === 'recv' ? `${parentField}-transport` : 'id-#');
    return field === 'http' ? this.#inHead(value) : this.#inText(value);
  }

  /** Replaces ids and offsets within a text. */
  #inText(text: string): string {
    return text
      .replaceAll(/\b(ss|pt|rm|pub)_[0-9a-z]{16}\b/g, (id, kind: string) =>
        this.#named(id, kind === 'pub' ? 'pub_ada-mic' : `${kind}_#`),
      )
      .replaceAll(/\b\d{12,}-\d+\b/g, (offset) => `${epoch + this.#count('moment', offset)}-0`);
  }

  #inHead(head: string): string {
    return head
      .replace(/^(Host: ).*$/im, '$1calls.example')
      .replace(/^(Sec-WebSocket-Key: )[^\r]*/im, '$1dGhlIHNhbXBsZSBub25jZQ==')
      .replace(/^(Sec-WebSocket-Accept: )[^\r]*/im, '$1s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
      .replaceAll(/flotilla\.token\.[\w.-]+/g, 'flotilla.token.eyJhbGciOiJIUzI1NiJ9…');
  }

  #named(value: string, placeholder: string): string {
    const known = this.names.get(value);
    if (known !== undefined) return known;
    const name = placeholder.replace('#', () => String(this.#count(placeholder, value)));
    this.names.set(value, name);
    return name;
  }

  /** Ordinal of the value among the different values of its kind. */
  #count(kind: string, value: string): number {
    const key = `${kind} ${value}`;
    const count = this.#counts.get(key) ?? (this.#counts.get(kind) ?? 0) + 1;
    if (!this.#counts.has(key)) this.#counts.set(kind, count).set(key, count);
    return count;
  }
}
