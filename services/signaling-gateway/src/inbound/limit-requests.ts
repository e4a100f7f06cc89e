import { randomInt } from 'node:crypto';
import { errorCatalogue, FlotillaError } from '@flotilla/contracts';
import type { NextFunction, Request, Response } from 'express';
import type { Edge } from '../edge/edge.ts';
import type { ConnectionLimits } from '../limits/connection-limits.ts';
import { countRejection } from '../limits/rejections.ts';

/** Middleware before all routes: refuses plain HTTP requests above the rate of their address with 429. */
export const limitRequests =
  (edge: Edge, limits: ConnectionLimits) =>
  (request: Request, response: Response, next: NextFunction): void => {
    if (limits.mayRequest(edge.clientOf(request).address)) return next();
    countRejection('http', 'RATE_LIMITED');
    const error = new FlotillaError('RATE_LIMITED', 'too many requests from this address');
    response
      .status(errorCatalogue[error.code].status)
      // Random, so that clients that were refused together do not retry together.
      .set('Retry-After', String(1 + randomInt(5)))
      .json({ error: error.body });
  };
