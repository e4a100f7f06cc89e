export * from './conformance.ts';
export * from './fleet-store.ts';
export * from './test-fleet.ts';
export * from './topologies.ts';
export * from './transcript.ts';
