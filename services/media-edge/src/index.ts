export { mediaEdgeConfig } from './config.ts';
