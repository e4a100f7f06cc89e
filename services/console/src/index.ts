export { type ConsoleConfig, consoleConfig, prometheusConfig } from './config.ts';
export { ConsoleModule, useConsole } from './console.module.ts';
export { objectiveReader } from './operations/objective-figures.ts';
export { RegistryClient } from './registry-client.ts';
