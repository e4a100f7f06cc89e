export { ApiAccess } from './inbound/api-access.ts';
export { type RegistryConfig, registryConfig } from './config.ts';
export { openApiDocument } from './inbound/openapi.ts';
export { RoomRegistryModule, type RoomRegistryOptions } from './room-registry.module.ts';
export { Sweeper } from './sweeper.ts';
