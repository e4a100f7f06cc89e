export { ApiKeyCheck, auditWrite, type AuditedWrite } from './api-key-check.ts';
export { type ApiKey, apiKeyList, knownApiKey, newApiKey } from './api-keys.ts';
export * from './client-time.ts';
export * from './config.ts';
export * from './secrets.ts';
export type { TokenSettings } from './token-settings.ts';
export * from './tokens.ts';
export * from './upgrade-auth.ts';
