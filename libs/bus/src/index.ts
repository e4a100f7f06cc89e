export * from './commands/command-bus.ts';
export * from './commands/memory.ts';
export * from './commands/rabbitmq.ts';
export * from './commands/transport.ts';
export * from './events/event-log.ts';
export * from './events/memory.ts';
export { connectRedis, redisOp, streamKey, toEntries } from './events/redis-client.ts';
export * from './events/redis-streams.ts';
export * from './room-log.ts';
