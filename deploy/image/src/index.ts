export { type ServiceName, services } from './services.ts';
