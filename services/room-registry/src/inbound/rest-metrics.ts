import { histogram } from '@flotilla/runtime';
import type { NextFunction, Request, Response } from 'express';

const restSeconds = histogram({
  name: 'registry_rest_duration_seconds',
  help: 'From the headers of a REST request to the end of its answer, by class of the status, such as 2xx.',
  labelNames: ['status'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 10],
});

/** Express middleware that observes every request which gets an answer, refused ones included. */
export function measureRest(_request: Request, response: Response, next: NextFunction): void {
  const began = performance.now();
  response.once('finish', () => {
    const status = `${Math.floor(response.statusCode / 100)}xx`;
    restSeconds.observe({ status }, (performance.now() - began) / 1000);
  });
  next();
}
