import { FlotillaError, firstIssue } from '@flotilla/contracts';
import { z } from 'zod';

/** The body of `POST /v1/rooms/{room}/recordings`, which has no fields yet. */
const RecordingRequest = z.strictObject({});

/** Checks the optional body of a request. Throws FlotillaError BAD_PAYLOAD. */
export function checkRecordingRequest(body: unknown): void {
  const parsed = RecordingRequest.safeParse(body ?? {});
  if (!parsed.success) throw new FlotillaError('BAD_PAYLOAD', firstIssue(parsed.error));
}
