export * from './conformance.ts';
export * from './topologies.ts';
export * from './transcript.ts';
