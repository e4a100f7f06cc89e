import { once } from 'node:events';
import { histogram, inSpan } from '@flotilla/runtime';
import type { NextFunction, Request, Response } from 'express';

const restSeconds = histogram({
  name: 'registry_rest_duration_seconds',
  help: 'From the headers of a REST request to the end of its answer, by class of the status, such as 2xx.',
  labelNames: ['status'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 10],
});

const seen = new WeakSet<Request>();

/**
 * Express middleware that observes every request which gets an answer, refused ones included, in a trace of its own: a caller that is not
 * authenticated yet cannot choose whether its trace is sampled.
 */
export function measureRest(request: Request, response: Response, next: NextFunction): void {
  // Nest applies a middleware once for each route that matches, and the routes of other methods match every path.
  if (seen.has(request)) return next();
  seen.add(request);
  const began = performance.now();
  void inSpan(`rest ${request.method}`, { kind: 'server' }, async (span) => {
    const closed = once(response, 'close');
    next();
    await closed;
    // The pattern of the route, without ids.
    const { path } = (request.route ?? {}) as { path?: string };
    if (path !== undefined) span.updateName(`rest ${request.method} ${path}`);
    if (!response.writableFinished) return;
    span.setAttribute('http.response.status_code', response.statusCode);
    restSeconds.observe({ status: `${Math.floor(response.statusCode / 100)}xx` }, (performance.now() - began) / 1000);
  });
}
