export * from './raw-client.ts';
export * from './wait-for.ts';
