import { STATUS_CODES } from 'node:http';
import { type ErrorCode, errorCatalogue, FlotillaError } from '@flotilla/contracts';

/** Seconds in `Retry-After` of what may succeed later. */
const retryAfterSeconds = 2;

/** A response that refuses a request, with problem details (RFC 9457) as its body. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly status: number,
    readonly detail: string,
    readonly headers: Readonly<Record<string, string>> = {},
    readonly code?: ErrorCode,
  ) {
    super(detail);
  }

  get body(): string {
    const { status, detail, code } = this;
    return JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, detail, ...(code && { code }) });
  }

  /** A Problem as it is, and any other error with the status of its code. */
  static from(error: unknown): Problem {
    if (error instanceof Problem) return error;
    const { code, message } = FlotillaError.from(error);
    const { status, retry } = errorCatalogue[code];
    const headers = {
      ...(status === 401 && { 'www-authenticate': 'Bearer error="invalid_token"' }),
      ...(retry && { 'retry-after': String(retryAfterSeconds) }),
    };
    return new Problem(status, message, headers, code);
  }
}
