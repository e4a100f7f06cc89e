export * from './brokers.ts';
export * from './child.ts';
export * from './net.ts';
export * from './wait-for.ts';
