export { type ConsoleConfig, consoleConfig } from './config.ts';
export { ConsoleModule, useConsole } from './console.module.ts';
export { RegistryClient } from './registry-client.ts';
