export { type JoinTokens, type TokenRequest, WhipEndpoint, type WhipOptions, type WhipWrite } from './endpoint.ts';
export { defaultLimits, maxBodyBytes, type WhipLimits } from './limits.ts';
