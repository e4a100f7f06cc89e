export { configurations } from './configurations.ts';
export { services } from './services.ts';
export { callConfig } from './call-config.ts';
