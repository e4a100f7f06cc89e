export { configurations } from './configurations.ts';
export { services } from './services.ts';
