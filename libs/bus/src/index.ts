export * from './commands/command-bus.ts';
export * from './commands/memory.ts';
export * from './commands/rabbitmq.ts';
export { type RabbitMqAddress, type RabbitMqNode, rabbitMqNodes } from './commands/rabbitmq-address.ts';
export {
  type CommandUse,
  rabbitMqNames,
  rabbitMqObjects,
  type RabbitMqPermissions,
  rabbitMqPermissions,
} from './commands/rabbitmq-names.ts';
export { rabbitMqRefusalOf } from './commands/rabbitmq-problem.ts';
export * from './commands/transport.ts';
export * from './events/index.ts';
export type { TlsTexts } from './tls-texts.ts';
