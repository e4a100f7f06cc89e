import type { LoggerService } from '@nestjs/common';
import { isSpanContextValid, trace } from '@opentelemetry/api';
import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';

export type { Logger } from 'pino';

/** A logger that adds the trace id and redacts fields with credentials. */
export function createLogger(options: {
  service: string;
  level?: string;
  format?: 'json' | 'pretty';
  [field: string]: unknown;
}): Logger {
  const { service, level = 'info', format = 'json', ...fields } = options;
  return pino(
    {
      level,
      base: { service, ...fields },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: ['token', 'resumeToken', 'authorization', '*.token', '*.resumeToken', '*.authorization'],
        censor: '[redacted]',
      },
      mixin: traceFields,
    },
    format === 'pretty'
      ? pretty({
          sync: true,
          singleLine: true,
          ignore: 'pid,hostname,service,instance,trace_id,span_id',
          translateTime: 'SYS:HH:MM:ss.l',
        })
      : pino.destination({ sync: false, minLength: 0 }),
  );
}

function traceFields(): object {
  const context = trace.getActiveSpan()?.spanContext();
  return context && isSpanContextValid(context) ? { trace_id: context.traceId, span_id: context.spanId } : {};
}

/** A Nest logger that writes to `log`. Nest's messages about modules and routes have level debug. */
export function nestLogger(log: Logger): LoggerService {
  const write =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: unknown, ...rest: unknown[]) => {
      const context = typeof rest.at(-1) === 'string' ? { nest: rest.at(-1) } : {};
      if (message instanceof Error) log[level]({ err: message, ...context }, message.message);
      else log[level](context, String(message));
    };
  return {
    log: write('debug'),
    debug: write('debug'),
    verbose: write('debug'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('error'),
  };
}
