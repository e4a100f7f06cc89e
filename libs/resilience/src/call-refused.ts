import { type ErrorCode, FlotillaError } from '@flotilla/contracts';

/** A call that was refused before it was sent, so that nothing was done. */
export class CallRefused extends FlotillaError {
  constructor(
    code: ErrorCode,
    message: string,
    /** Time after which to try again, ms. */
    readonly retryAfterMs: number,
  ) {
    super(code, message);
  }
}
