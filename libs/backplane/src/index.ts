export * from './backplane.ts';
export { checkConfiguration } from './check.ts';
