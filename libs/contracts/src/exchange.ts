import { z } from 'zod';

/** A request and its response, as a line of FLOTILLA_CAPTURE_FILE, by which `npm run compare` compares two releases. */
export const Exchange = z.object({
  at: z.number().describe('When the request began, in milliseconds since the Unix epoch.'),
  requestId: z
    .string()
    .describe('`X-Request-Id`, or the trace id of `traceparent`, which the proxy sends to both sides.'),
  traceId: z.string().optional().describe('Of the trace of this side, when it is sampled.'),
  method: z.string(),
  path: z.string().describe('With the query.'),
  route: z.string().optional().describe('Pattern of the route, without ids. Absent: there is none.'),
  status: z.int(),
  ms: z.number().describe('From the headers of the request to the end of its response.'),
  body: z.unknown().optional().describe('Of the response, without secrets: parsed JSON, or text.'),
  bodySha256: z.string().optional().describe('In place of a body that is larger than 64 KiB or encoded.'),
});
export type Exchange = z.infer<typeof Exchange>;
