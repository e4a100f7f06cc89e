export * from './corpus.ts';
export * from './fuzz.ts';
export * from './parser-tests.ts';
