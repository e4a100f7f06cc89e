export * from './topologies.ts';
