import { setTimeout as pause } from 'node:timers/promises';
import type { z } from 'zod';
import { type AdminServer, startAdminServer } from './admin-server.ts';
import { type brokerConfig, type commonConfig, ConfigError, loadConfig, type servingConfig } from './config.ts';
import { Health } from './health.ts';
import { createLogger, type Logger } from './log.ts';
import { collectProcessMetrics } from './metrics.ts';
import { reloadSecrets } from './reload-secrets.ts';
import { startTracing } from './tracing.ts';

/** Context of a starting service. */
export interface ServiceContext<C> {
  readonly config: C;
  readonly log: Logger;
  readonly health: Health;
  /** Adds a cleanup for the stop. The last added runs first; failures are logged and do not prevent the others. */
  readonly onStop: (name: string, stop: () => Promise<void> | void) => void;
  /** Stops the service as SIGTERM does. */
  readonly stop: (reason: string) => void;
  /** Adds a function that is called after secrets were read again from their files, and replaced in `config`. */
  readonly onSecretsLoaded: (listener: () => void) => void;
  /** Serves what a function returns as JSON, at a path of the admin port. */
  readonly serve: AdminServer['serve'];
}

export interface ServiceOptions<T extends z.ZodRawShape> {
  readonly name: string;
  readonly config: z.ZodObject<T>;
  readonly start: (context: ServiceContext<z.output<z.ZodObject<T>>>) => Promise<void>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Maximum time to flush the log. */
const flushMs = 1000;

type Common = z.output<typeof commonConfig> & Partial<z.output<typeof servingConfig>>;

/** Settings of the brokers. */
export type BrokerConfig = z.output<typeof brokerConfig>;

/**
 * Runs a service as this process: reads its configuration, serves metrics and probes, starts it, and stops it in order on
 * SIGTERM, SIGINT, SIGHUP or the end of a parent with an IPC channel. After SIGTERM, which orchestrators send, a service behind
 * load balancers continues to serve for FLOTILLA_STOP_DELAY_SECONDS while it is not ready. Ends with code 0 after a clean stop, 1
 * when the start failed or the stop outlived its deadline, and 78 (EX_CONFIG of sysexits.h) for a configuration that can't be used.
 */
export async function runService<T extends z.ZodRawShape>(options: ServiceOptions<T>): Promise<void> {
  let config: z.output<z.ZodObject<T>>;
  try {
    config = loadConfig(options.config, options.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(`${options.name}: ${error.message}`);
    process.exit(78);
  }
  const common = config as unknown as Common;
  const log = createLogger({
    service: options.name,
    instance: common.FLOTILLA_INSTANCE,
    level: common.FLOTILLA_LOG_LEVEL,
    format: common.FLOTILLA_LOG_FORMAT,
  });
  const stops = new StopList(log);
  const health = new Health();
  let stopping = false;

  const stop = async (why: string, code: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    log.info({ reason: why }, 'stopping');
    health.markStopping();
    const deadline = setTimeout(() => {
      log.error({ pending: stops.pending }, 'stop timed out, exiting');
      process.exit(1);
    }, common.FLOTILLA_SHUTDOWN_SECONDS * 1000);
    if (why === 'SIGTERM') await pause((common.FLOTILLA_STOP_DELAY_SECONDS ?? 0) * 1000);
    await stops.run();
    clearTimeout(deadline);
    log.info('stopped');
    // The flush may never end when the reader of the log has exited.
    setTimeout(() => process.exit(code), flushMs);
    log.flush(() => process.exit(code));
  };
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(signal, 0));
  // Only `npm start` starts a service with an IPC channel. Waiting for its end must not keep the process alive.
  process.once('disconnect', () => void stop('the parent process has ended', 0));
  process.channel?.unref();
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    void stop('uncaught exception', 1);
  });
  process.on('unhandledRejection', (error) => {
    log.fatal({ err: error }, 'unhandled rejection');
    void stop('unhandled rejection', 1);
  });

  try {
    if (common.OTEL_EXPORTER_OTLP_ENDPOINT) {
      stops.add(
        'tracing',
        await startTracing(options.name, common.OTEL_EXPORTER_OTLP_ENDPOINT, common.OTEL_TRACES_SAMPLER_ARG),
      );
    }
    collectProcessMetrics();
    const admin = await startAdminServer({
      host: common.FLOTILLA_ADMIN_HOST,
      port: common.FLOTILLA_ADMIN_PORT,
      health,
    });
    stops.add('admin server', () => admin.close());
    const listeners: (() => void)[] = [];
    const onLoaded = (): void => listeners.forEach((listener) => listener());
    stops.add('secrets', reloadSecrets({ config, schema: options.config, env: options.env, log, onLoaded }));
    await options.start({
      config,
      log,
      health,
      onStop: (name, undo) => stops.add(name, undo),
      stop: (why) => void stop(why, 0),
      onSecretsLoaded: (listener) => void listeners.push(listener),
      serve: (path, answer) => admin.serve(path, answer),
    });
    health.markStarted();
    log.info({ adminHost: common.FLOTILLA_ADMIN_HOST, adminPort: admin.port }, 'started');
  } catch (error) {
    log.fatal({ err: error }, startupFailure(error));
    await stop('the start failed', error instanceof ConfigError ? 78 : 1);
  }
}

/** Message for a failed start, with the cure for common failures. */
function startupFailure(error: unknown): string {
  const { code, port, syscall } = error as { code?: string; port?: number; syscall?: string };
  if (code === 'EADDRINUSE') return `port ${port} is in use: stop the other program or choose another port`;
  if (code === 'EACCES' && syscall === 'listen') return `port ${port} needs more rights: choose one above 1023`;
  return error instanceof Error ? error.message : String(error);
}

/** Cleanups for the stop, run in reverse order. */
export class StopList {
  readonly #log: Logger;
  readonly #stops: { name: string; stop: () => Promise<void> | void }[] = [];

  constructor(log: Logger) {
    this.#log = log;
  }

  add(name: string, stop: () => Promise<void> | void): void {
    this.#stops.push({ name, stop });
  }

  /** Names of the parts that are not stopped yet. */
  get pending(): string[] {
    return this.#stops.map(({ name }) => name);
  }

  async run(): Promise<void> {
    for (let next = this.#stops.at(-1); next; next = this.#stops.at(-1)) {
      try {
        await next.stop();
      } catch (error) {
        this.#log.error({ err: error, part: next.name }, 'could not be stopped');
      }
      this.#stops.pop();
    }
  }
}
