export { configurations } from './configurations.ts';
export { services } from './services.ts';
export { callConfig } from './call-config.ts';
export { nodeAddress } from './node-address.ts';
export { readAnnouncedAddress } from './announced-address.ts';
