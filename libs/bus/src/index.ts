export * from './commands/command-bus.ts';
export * from './commands/memory.ts';
export * from './commands/rabbitmq.ts';
export * from './commands/transport.ts';
export * from './events/index.ts';
