export * from './backplane.ts';
