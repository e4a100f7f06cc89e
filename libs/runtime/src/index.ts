export * from './admin-server.ts';
export * from './config.ts';
export * from './health.ts';
export * from './log.ts';
export * from './metrics.ts';
export * from './retry.ts';
export * from './service.ts';
export * from './tracing.ts';
