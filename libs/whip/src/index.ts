export { type TokenRequest, WhipEndpoint, type WhipOptions } from './endpoint.ts';
export { defaultLimits, maxBodyBytes, type WhipLimits } from './limits.ts';
