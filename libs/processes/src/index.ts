export * from './admin-url.ts';
export * from './brokers.ts';
export * from './child.ts';
export * from './free-port.ts';
export * from './stop-request.ts';
