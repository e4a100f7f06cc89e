export * from './config.ts';
export * from './secrets.ts';
export * from './tokens.ts';
export * from './upgrade-auth.ts';
