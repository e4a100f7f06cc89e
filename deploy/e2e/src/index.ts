export * from './topologies.ts';
export * from './transcript.ts';
