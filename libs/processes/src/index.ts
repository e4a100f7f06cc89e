export * from './admin-url.ts';
export { Broker } from './broker.ts';
export * from './brokers.ts';
export * from './child.ts';
export * from './free-port.ts';
export * from './rabbitmq.ts';
export * from './redis-sentinels.ts';
export * from './start-key.ts';
export * from './stop-request.ts';
