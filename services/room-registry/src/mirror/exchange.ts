import type { Exchange } from '@flotilla/contracts';
import { bearerTokenOf, sampledTraceId } from '@flotilla/runtime';
import type { NextFunction, Request, Response } from 'express';
import { createHash } from 'node:crypto';
import { redact, redactText } from './redact.ts';

/** Of bodies that are written, bytes. */
const maxBodyBytes = 64 * 1024;

const requestIdForm = /^[\w.:-]{1,128}$/;
/** W3C Trace Context, section 3.2: version, trace id, parent id, flags. */
const traceparentForm = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

function requestIdOf({ headers }: Request): string | undefined {
  const id = headers['x-request-id'];
  if (typeof id === 'string' && requestIdForm.test(id)) return id;
  const { traceparent } = headers;
  return typeof traceparent === 'string' ? traceparentForm.exec(traceparent)?.[1] : undefined;
}

/**
 * Express middleware that writes every request with an id, and its response, as a line. It has to run before any other that answers.
 * Headers and bodies of requests are not written.
 */
export const captureExchanges =
  (write: (line: string) => void) =>
  (request: Request, response: Response, next: NextFunction): void => {
    const requestId = requestIdOf(request);
    if (requestId === undefined) return next();
    const at = Date.now();
    const began = performance.now();
    const end = response.end.bind(response);
    let chunk: unknown;
    let traceId: string | undefined;
    response.end = ((...args: Parameters<typeof end>) => {
      chunk = args[0];
      traceId = sampledTraceId();
      return end(...args);
    }) as typeof end;
    response.once('finish', () => {
      const { path: route } = (request.route ?? {}) as { path?: string };
      const key = bearerTokenOf(request.headers.authorization);
      const secrets = key === undefined ? [] : [key];
      const exchange: Exchange = {
        at,
        requestId,
        ...(traceId !== undefined && { traceId }),
        method: request.method,
        path: redactText(request.originalUrl, secrets),
        ...(route !== undefined && { route }),
        status: response.statusCode,
        ms: Math.round((performance.now() - began) * 1000) / 1000,
        ...bodyOf(response, chunk, secrets),
      };
      write(JSON.stringify(exchange));
    });
    next();
  };

function bodyOf(response: Response, chunk: unknown, secrets: readonly string[]): Pick<Exchange, 'body' | 'bodySha256'> {
  if (typeof chunk !== 'string' && !Buffer.isBuffer(chunk)) return {};
  const bytes = Buffer.from(chunk as string);
  if (bytes.length > maxBodyBytes || response.hasHeader('content-encoding'))
    return { bodySha256: createHash('sha256').update(bytes).digest('hex') };
  const text = bytes.toString();
  const value = /\bjson\b/.test(String(response.getHeader('content-type'))) ? parsed(text) : undefined;
  return { body: value === undefined ? redactText(text, secrets) : redact(value, secrets) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
