export * from './backplane.ts';
export * from './broker-files.ts';
export * from './broker-users.ts';
export { commandEffects } from '@flotilla/bus';
export { checkConfiguration } from './check.ts';
export * from './sentinel-users.ts';
